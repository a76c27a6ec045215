#!/bin/bash
# configure.sh SOURCE FOLDER: has nginx's own configure, as Debian's nginx-dev brings it, find out
# what this system has, with the flags of Debian's nginx, and leaves its headers in FOLDER. A module
# made with other ones would not be loaded.
set -euo pipefail
source=$1
folder=$(realpath "$2")
work=$folder/nginx-configure
rm -rf "$work"
mkdir -p "$work"
ln -s "$source/auto" "$source/src" "$work"
declare -a NGX_CONF_FLAGS
# shellcheck source=/dev/null
. "$source/conf_flags"
if ! (cd "$work" && sh "$source/configure" "${NGX_CONF_FLAGS[@]}" --builddir=objs) \
    >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi
cp "$work/objs/ngx_auto_config.h" "$work/objs/ngx_auto_headers.h" "$folder"

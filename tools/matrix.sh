#!/usr/bin/env bash
# The support matrix of docs/operations.md, run: other NATS servers, another Debian, another processor.
#
#     ./dev matrix [nats|debian13|arm64]...
#
# It takes root (debootstrap, chroot), Debian's mirror as apt knows it, some 3 GB in ~/.cache/nrt-matrix, and up to an
# hour. Nothing of it is installed on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nrt-matrix
mkdir -p "$cache"

# What is tested of it: all paths through real servers, without browsers, load and what takes others' registries.
core='(test_gateway.py or test_get.py or test_get_streams or test_serve.py or test_bridge_streams or test_nginx.py or test_tls or test_login or
    test_discovery or test_context or test_doctor or test_accounts or test_single_reply or test_wire or test_health or
    test_retries or test_lame or test_traffic or test_library.py or test_old_peers or test_routes or test_top or
    test_completion) and not browser and not node'
core=${core//$'\n'/ }

# PACKAGES are those of `dev` for all tests; of `a|b`, the second is Debian 13's. What the core does without stays away.
for_build=(build-essential meson ninja-build pkg-config libssl-dev libjansson-dev libevent-dev libcurl4-openssl-dev
    libmicrohttpd-dev libcmocka-dev)
for_test=(openssl procps iproute2)
for package in ${PACKAGES:?run it by ./dev matrix}; do
    case $package in
    chromium | nodejs | npm | valgrind | wrk) ;;
    *) for_test+=("${package##*|}") ;;
    esac
done

# shellcheck disable=SC2016 # apt-get expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' | grep -v security | head -n 1)

tell() {
    printf '\n== %s\n' "$*"
}

# tree FOLDER SUITE: a Debian of its own, once.
tree() {
    local root=$cache/$1
    [[ ! -f $root/.complete ]] || return 0
    rm -rf "$root"
    debootstrap --variant=minbase "$2" "$root" "$mirror"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing is started in there
    chmod +x "$root/usr/sbin/policy-rc.d"
    touch "$root/.complete"
}

# inside FOLDER COMMAND...: in a tree, with its own processes, /run and /tmp; all of it ends with the command.
inside() {
    local root=$cache/$1
    shift
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount --pid --fork --kill-child bash -c '
        mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs run "$0/run" &&
        exec chroot "$0" /usr/bin/env DEBIAN_FRONTEND=noninteractive HOME=/root "$@"' "$root" "$@"
}

# sources FOLDER: the files of this checkout, at /nrt in a tree; what was built there stays.
sources() {
    mkdir -p "$cache/$1/nrt"
    git ls-files -z | tar --null -T - -c | tar -x -C "$cache/$1/nrt"
}

# ---- the parts -----------------------------------------------------------------------------------

# newest SUITE: the nats-server of a suite of Debian's, unpacked; says where its program is.
newest() {
    local folder=$cache/nats-$1 get
    mkdir -p "$folder/lists/partial" "$folder/archives/partial"
    echo "deb $mirror $1 main" >"$folder/sources.list"
    get=(apt-get -q -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder")
    (
        cd "$folder"
        "${get[@]}" update
        rm -rf nats-server_*.deb tree
        "${get[@]}" download nats-server
        dpkg-deb -x nats-server_*.deb tree
    ) >&2
    echo "$folder/tree/usr/sbin/nats-server"
}

part_nats() {
    local suite server
    ./dev build
    for suite in trixie sid; do
        server=$(newest "$suite")
        tell "$("$server" --version), of Debian's $suite"
        NRT_NATS_SERVER=$server NRT_TEST_SLOW=2 /usr/bin/python3 tools/integration-tests.py --limit 3000 build -k "$core"
    done
}

part_debian13() {
    tell "Debian 13"
    tree debian13 trixie
    inside debian13 apt-get -q update
    inside debian13 apt-get -q install -y --no-install-recommends "${for_test[@]}" libcmocka-dev
    sources debian13
    # shellcheck disable=SC2016
    inside debian13 bash -ec '
        cd /nrt
        [ -f build/build.ninja ] || meson setup build -Dbuildtype=debugoptimized -Dwarning_level=2 -Dwerror=true
        ninja -C build
        python3 tools/unit-tests.py build
        NRT_TEST_SLOW=2 python3 tools/integration-tests.py --limit 3000 build -k "$1"' bash "$core"
}

# Compiled here for arm64, run by qemu: what is tested is our code on that processor, not its speed.
part_arm64() {
    tell "arm64, in qemu"
    tree arm64 bookworm
    inside arm64 dpkg --add-architecture arm64
    inside arm64 apt-get -q update
    inside arm64 apt-get -q install -y --no-install-recommends crossbuild-essential-arm64 meson ninja-build pkg-config \
        node-llhttp python3 qemu-user-static libc6:arm64 "${for_build[@]/%-dev/-dev:arm64}"
    sources arm64
    cat >"$cache/arm64/nrt/arm64.ini" <<'INI'
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = 'qemu-aarch64-static'
[properties]
pkg_config_libdir = '/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
INI
    inside arm64 bash -ec '
        cd /nrt
        [ -f build/build.ninja ] || meson setup build --cross-file arm64.ini -Dbuildtype=debugoptimized -Dwerror=true
        ninja -C build
        python3 tools/unit-tests.py --timeout 900 --wrapper qemu-aarch64-static build'
}

((EUID == 0)) || { echo "matrix: it takes root: sudo ./dev matrix" >&2; exit 1; }
bad=()
for part in "${@:-nats debian13 arm64}"; do
    for one in $part; do
        [[ $(type -t "part_$one") == function ]] || { echo "matrix: no part '$one'" >&2; exit 2; }
        set +e # behind ||, set -e would not hold in the part either
        (
            set -e
            "part_$one"
        )
        status=$?
        set -e
        ((status == 0)) || bad+=("$one")
    done
done
if ((${#bad[@]})); then
    echo "matrix: failed: ${bad[*]}"
    exit 1
fi
echo "matrix: all of it works"

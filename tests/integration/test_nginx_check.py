"""`nginx -t` refuses what could not work, names it, and says what to do."""

import os

import pytest

from harness.jwt import NKey, Operator, creds
from harness.nginx import Nginx
from harness.pki import Authority


@pytest.fixture(scope="module")
def files(shared):
    """Credentials and certificates that are right, and some that are not."""
    authority = Authority(shared.path("pki"))
    cert, key = authority.issue("client", usage="clientAuth")
    _, other = authority.issue("other", usage="clientAuth")
    user, jwt = Operator().user("bob")
    contexts = shared.path("config/nats/context")
    os.makedirs(contexts)
    shared.file("config/nats/context/good.json", b'{"url": "nats://127.0.0.1:4222"}')
    shared.file("config/nats/context/broken.json", b'{"url": ')
    return {
        "ca": authority.cert, "cert": cert, "key": key, "other": other,
        "creds": shared.file("bob.creds", creds(user, jwt)), "nkey": shared.file("bob.nk", NKey("user").seed),
        "text": shared.file("text", b"no secret at all\n"), "folder": shared.folder,
    }


def check(shared, files, server):
    """Whether it is taken, and what is said; {name} is a file."""
    pass_it = "" if "nrt_pass" in server else " location / { nrt_pass weather.nats; }"
    for name, path in files.items():
        server = server.replace("{" + name + "}", path)
    os.environ["XDG_CONFIG_HOME"], before = shared.path("config"), os.environ.get("XDG_CONFIG_HOME")
    try:
        return Nginx(shared, server + pass_it).check()
    finally:
        if before is None:
            del os.environ["XDG_CONFIG_HOME"]
        else:
            os.environ["XDG_CONFIG_HOME"] = before


@pytest.mark.parametrize("server", [
    "nrt_server nats://127.0.0.1:4222 tls://user:pa55@[::1]:4223;", "nrt_server nats://token@localhost;", "nrt_context good;",
    "nrt_creds {creds};", "nrt_nkey {nkey};", "nrt_tls_ca {ca}; nrt_tls_certificate {cert}; nrt_tls_certificate_key {key};",
    "nrt_tls_first on; nrt_tls_ca {ca};", "nrt_prefix a.b-c_d;", "nrt_timeout 1500ms; nrt_connect_timeout 24d;",
    "nrt_max_body 10m; nrt_buffering off; nrt_request_buffering off;", "nrt_max_body 0;",
    "nrt_retry off;", "nrt_retry refused idempotent no_service tries=10;", "nrt_retry tries=2;",
    "nrt_retry off; location /x { nrt_retry tries=3; nrt_pass x.nats; }",
    "nrt_pass_request_headers off; nrt_set_header X-A $host; nrt_set_header X-A b; nrt_hide_header X; nrt_pass_header Y;",
    "nrt_hide_header X; location /x { nrt_pass_header X; nrt_pass x.nats; }", "nrt_intercept_errors on;",
    "nrt_ignore_headers X-Accel-Redirect X-Accel-Buffering X-Accel-Limit-Rate X-Accel-Charset;",
    "nrt_context good; location /x { nrt_server nats://127.0.0.1; nrt_pass x.nats; }",
    "location /a/ { nrt_pass weather.nats/b/; } location ~ x { nrt_pass weather.nats; }",
    "location ~ (x) { nrt_pass weather.nats/$1; }", "location = /a { nrt_pass $host; }",
])
def test_what_can_work_is_taken(shared, files, server):
    fine, said = check(shared, files, server)
    assert fine, said


@pytest.mark.parametrize("server, said", [
    # the service
    ("location / { nrt_pass weather; }", '"weather" is not the name of a service: write a host that ends in .nats'),
    ("location / { nrt_pass http://weather.nats; }", '"http://weather.nats" is not the name of a service'),
    ("location / { nrt_pass weather.nats:80; }", '"weather.nats:80" is not'),
    ("location / { nrt_pass a..nats; }", '"a..nats" is not'), ("location / { nrt_pass *.nats; }", '"*.nats" is not'),
    ('location / { nrt_pass ""; }', '"" is not'), ("location / { nrt_pass /x; }", '"/x" is not'),
    ("location / { nrt_pass $nothing; }", 'unknown "nothing" variable'),
    ("location / { nrt_pass a.nats; nrt_pass b.nats; }", '"nrt_pass" directive is duplicate'),
    ("location / { nrt_pass a.nats b.nats; }", 'invalid number of arguments in "nrt_pass"'),
    ("nrt_pass a.nats;", '"nrt_pass" directive is not allowed here'),
    ("location ~ x { nrt_pass a.nats/b; }", 'nrt_pass "a.nats/b" cannot have the path "/b" here'),
    ("location @x { nrt_pass a.nats/b; }", 'cannot have the path "/b" here'),
    ("location / { if ($arg_a) { nrt_pass a.nats/b; } nrt_pass a.nats; }", 'cannot have the path "/b" here'),
    ("location / { limit_except GET { nrt_pass a.nats/; } nrt_pass a.nats; }", 'cannot have the path "/" here'),
    # NATS
    ("nrt_context none;", 'there is no context "none" in'), ("nrt_context ../x;", "context: not the name of a context"),
    ("nrt_context broken;", "broken"), ('nrt_context "";', '"nrt_context" directive is empty'),
    ("nrt_context good; nrt_server nats://127.0.0.1;", 'nrt_server and nrt_context "good" are both here'),
    ("nrt_server http://127.0.0.1;", "begins with nats:// or tls://, not http://"),
    ("nrt_server nats://127.0.0.1:99999;", "a server's URL is not valid"), ("nrt_server nats://;", "a server's URL is not valid"),
    ('nrt_server "";', '"nrt_server" directive has a URL that is empty, or has a comma'),
    ("nrt_server nats://a,nats://b;", "or has a comma"), ("nrt_server;", "invalid number of arguments"),
    ("nrt_server nats://a; nrt_server nats://b;", '"nrt_server" directive is duplicate'),
    ('nrt_prefix "a b";', "prefix: cannot begin a subject"), ("nrt_prefix a.*;", "prefix: cannot begin a subject"),
    ('nrt_prefix "";', '"nrt_prefix" directive is empty'), ("nrt_prefix a; nrt_prefix b;", '"nrt_prefix" directive is duplicate'),
    # files
    ("nrt_creds /no/such;", '"nrt_creds": cannot find the file "/no/such"'),
    ("nrt_nkey /no/such;", '"nrt_nkey": cannot find the file "/no/such"'),
    ("nrt_tls_ca /no/such;", '"nrt_tls_ca": cannot find the file "/no/such"'),
    ("nrt_tls_certificate /no/such;", '"nrt_tls_certificate": cannot find the file "/no/such"'),
    ("nrt_tls_certificate {cert}; nrt_tls_certificate_key no-such;", '"nrt_tls_certificate_key": cannot find the file "'),
    ("nrt_creds {text};", "cannot use the credentials"), ("nrt_nkey {text};", "cannot use the credentials"),
    ("nrt_creds {nkey};", "cannot use the credentials"), ("nrt_creds {folder};", "Is a directory"),
    ("nrt_creds {creds}; nrt_nkey {nkey};", "creds and nkey are both set; there can be one kind of credentials"),
    ("nrt_server nats://u:p@127.0.0.1; nrt_creds {creds};", "credentials in servers and creds are both set"),
    ("nrt_tls_ca {text};", "{text}"), ("nrt_tls_certificate {text};", "{text}"),
    ("nrt_tls_certificate {cert};", "{cert}"), ("nrt_tls_certificate {cert}; nrt_tls_certificate_key {other};", "{other}"),
    ("nrt_tls_certificate_key {key};", "tls_key: is set without tls_cert"),
    # numbers
    ("nrt_timeout 5x;", '"nrt_timeout" directive invalid value'), ("nrt_timeout 0;", '"nrt_timeout" directive is not from 1ms to 24d'),
    ("nrt_timeout 100d;", "is not from 1ms to 24d"), ("nrt_timeout -1;", "invalid value"), ("nrt_timeout 1m 1s;", "invalid number of"),
    ("nrt_connect_timeout 0;", '"nrt_connect_timeout" directive is not from 1ms to 24d'),
    ("nrt_timeout 1s; nrt_timeout 2s;", '"nrt_timeout" directive is duplicate'),
    ("nrt_max_body 5q;", '"nrt_max_body" directive invalid value'), ("nrt_max_body 1s;", "invalid value"),
    ("nrt_buffering maybe;", 'invalid value "maybe" in "nrt_buffering" directive'),
    ("nrt_request_buffering 1;", 'in "nrt_request_buffering" directive'), ("nrt_tls_first yes;", 'in "nrt_tls_first" directive'),
    ("nrt_intercept_errors 1;", 'in "nrt_intercept_errors"'), ("nrt_pass_request_headers 1;", 'in "nrt_pass_request_headers"'),
    # retries
    ("nrt_retry;", "invalid number of arguments"), ("nrt_retry sometimes;", 'nrt_retry does not know "sometimes" here'),
    ("nrt_retry off refused;", 'nrt_retry does not know "off" here; it takes off alone'),
    ("nrt_retry refused off;", 'nrt_retry does not know "off" here'), ("nrt_retry tries=0;", "may be tried 2 to 10 times"),
    ("nrt_retry tries=1;", 'write "nrt_retry off;" where once is enough'), ("nrt_retry tries=11;", "2 to 10"),
    ("nrt_retry tries=x;", "2 to 10"), ("nrt_retry tries=2 tries=3;", "has the number of tries twice"),
    ("nrt_retry refused refused;", 'nrt_retry has "refused" twice'), ("nrt_retry off; nrt_retry off;", "is duplicate"),
    # fields
    ("nrt_set_header Host x;", 'nrt_set_header cannot set "Host": the host is that of nrt_pass'),
    ("nrt_set_header connection x;", 'cannot set "connection": it concerns one connection only; a WebSocket needs no directive'),
    ("nrt_set_header Upgrade $http_upgrade;", 'cannot set "Upgrade"'), ("nrt_set_header TE x;", 'cannot set "TE"'),
    ('nrt_set_header Content-Length "";', 'cannot set "Content-Length": it follows from the message and its body'),
    ("nrt_set_header Transfer-Encoding x;", "it follows from the message"), ("nrt_set_header Expect x;", 'cannot set "Expect"'),
    ("nrt_set_header NRT-Id x;", "names that begin in NRT- belong to HTTP over NATS"),
    ('nrt_set_header "a b" x;', 'cannot set "a b": it is not a valid name'), ('nrt_set_header "" x;', "not a valid name"),
    ("nrt_set_header X $nothing;", 'unknown "nothing" variable'), ("nrt_set_header X;", "invalid number of arguments"),
    ('nrt_hide_header "a:b";', '"nrt_hide_header" has "a:b", which is not the name of a field'),
    ('nrt_pass_header "";', '"nrt_pass_header" has "", which is not the name of a field'),
    ("nrt_hide_header X; nrt_pass_header x;", 'nrt_hide_header and nrt_pass_header both have "X": remove one'),
    ("nrt_ignore_headers Vary;", 'invalid value "Vary"'),
    ("location / { if ($arg_a) { nrt_set_header X y; } nrt_pass a.nats; }", '"nrt_set_header" directive is not allowed here'),
])
def test_what_cannot_work_is_refused_and_named(shared, files, server, said):
    fine, text = check(shared, files, server)
    for name, path in files.items():
        said = said.replace("{" + name + "}", path)
    assert not fine and said in text, text
    assert "no secret" not in text and "pa55" not in text


def test_what_contradicts_itself_in_http_is_refused_too(shared, files):
    fine, said = Nginx(shared, "location / { nrt_pass a.nats; }", "nrt_hide_header A; nrt_pass_header a;").check()
    assert not fine and 'both have "A"' in said, said


def test_a_file_may_be_named_from_the_folder_of_the_configuration(shared):
    nginx = Nginx(shared, "nrt_nkey own.nk; location / { nrt_pass a.nats; }")
    with open(os.path.join(nginx.folder, "own.nk"), "w", encoding="ascii") as out:
        out.write(NKey("user").seed)
    fine, said = nginx.check()
    assert fine, said

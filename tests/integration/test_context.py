"""Configuration: flags, environment and contexts of the nats CLI, and `nrt context`."""

import json
import os
import stat

import pytest
from harness import gowire
from harness.jwt import NKey
from harness.message import parse_request
from harness.origin import plain
from harness.world import NRT, free_port

SECRET = "hunter2-secret"


@pytest.fixture
def contexts(world):
    return Contexts(world)


class Contexts:
    """The folder of contexts of this test, and nrt run with it."""

    def __init__(self, world):
        self.world = world
        self.folder = os.path.join(world.path("config"), "nats")
        os.makedirs(os.path.join(self.folder, "context"))

    def path(self, name):
        return os.path.join(self.folder, "context", name + ".json")

    def write(self, name, text=None, mode=0o600, **keys):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(json.dumps(keys) if text is None else text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def select(self, name):
        with open(os.path.join(self.folder, "context.txt"), "w", encoding="utf-8") as out:
            out.write(name)

    def file(self, name):
        with open(os.path.join(self.folder, name), "rb") as text:
            return text.read()

    def run(self, *args, expect=0, **env):
        done = self.world.run([NRT, *args], expect=expect, env=env)
        assert SECRET not in done.stdout + done.stderr
        return done

    def nrt(self, *args, **options):
        return self.run("context", *args, **options)

    def show(self, *args, **env):
        shown = json.loads(self.nrt("show", "--json", *args, **env).stdout)
        return {name: (one["value"], one["from"]) for name, one in shown["settings"].items()}


# ---- listing and selecting ----------------------------------------------------------------------


def test_no_contexts_is_no_error_and_says_where_they_would_be(world, contexts):
    assert contexts.folder in contexts.nrt().stdout
    assert json.loads(contexts.nrt("ls", "--json").stdout) == []
    os.rmdir(os.path.join(contexts.folder, "context"))
    os.rmdir(contexts.folder)
    assert "No contexts" in contexts.nrt("ls").stdout


def test_contexts_are_listed_by_name_and_the_selected_one_is_marked(contexts):
    contexts.write("prod", url=f"nats://u:{SECRET}@h:1", description="Production\n\x1b[31m")
    contexts.write("dev", url="nats://d:1", token=SECRET)
    contexts.write("empty", text="")
    contexts.write("..x", url="nats://x")
    contexts.select("prod\n")
    lines = contexts.nrt().stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["dev", "*"]
    assert lines[1].startswith("* prod nats://********@h:1  Production")
    assert "\x1b" not in "".join(lines)
    listed = json.loads(contexts.nrt("ls", "--json").stdout)
    assert [(one["name"], one["selected"]) for one in listed] == [("dev", False), ("prod", True)]
    assert listed[0]["url"] == "nats://d:1"


def test_a_broken_context_is_listed_with_its_error(contexts):
    contexts.write("bad", text='{\n"token": "' + SECRET + '"\n')
    contexts.write("good", url="nats://g:1")
    out = contexts.nrt("ls").stdout
    assert "bad.json): line 3: the file ends too early" in out and "nats://g:1" in out
    listed = json.loads(contexts.nrt("ls", "--json").stdout)
    assert "line 3" in listed[0]["error"] and listed[1]["url"] == "nats://g:1"


def test_selecting_writes_what_the_nats_cli_writes(contexts):
    contexts.write("one", url="nats://1")
    contexts.write("two", url="nats://2")
    contexts.nrt("select", "one")
    assert contexts.file("context.txt") == b"one"
    assert not os.path.exists(os.path.join(contexts.folder, "previous-context.txt"))
    contexts.nrt("select", "two")
    assert contexts.file("context.txt") == b"two"
    assert contexts.file("previous-context.txt") == b"one"
    mode = os.stat(os.path.join(contexts.folder, "context.txt")).st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert sorted(os.listdir(contexts.folder)) == [
        "context", "context.txt", "previous-context.txt"
    ]
    assert contexts.show()["servers"] == ("nats://2", "context two")


def test_what_is_not_there_or_not_valid_is_not_selected(contexts):
    contexts.write("weather", url="nats://1")
    contexts.write("windows", windows_cert_store="user")
    contexts.select("weather")
    done = contexts.nrt("select", "wether", expect=2)
    assert 'there is no context "wether"' in done.stderr
    assert 'did you mean "weather"?' in done.stderr
    assert "windows_cert_store" in contexts.nrt("select", "windows", expect=2).stderr
    assert "not the name" in contexts.nrt("select", "../context", expect=2).stderr
    assert "needs a name" in contexts.nrt("select", expect=2).stderr
    assert contexts.file("context.txt") == b"weather"


def test_wrong_usage_is_told(contexts):
    contexts.write("a", url="nats://1")
    assert "did you mean select" in contexts.nrt("selct", "a", expect=2).stderr
    assert "ls takes no name" in contexts.nrt("ls", "a", expect=2).stderr
    assert "twice" in contexts.nrt("show", "a", "--context", "b", expect=2).stderr


# ---- showing ------------------------------------------------------------------------------------


def test_show_tells_each_setting_and_where_it_comes_from(world, contexts):
    creds = world.file("x.creds", "x")
    contexts.write("prod", url=f"nats://u:{SECRET}@h:1", inbox_prefix="_INBOX.me", tls_first=True)
    contexts.select("prod")
    assert contexts.show() == {
        "servers": ("nats://********@h:1", "context prod"),
        "inbox_prefix": ("_INBOX.me", "context prod"),
        "tls_first": ("yes", "context prod"),
        "prefix": ("nrt", "default"),
        "timeout_ms": ("30000ms", "default"),
    }
    shown = contexts.show("--creds", creds, "--timeout", "5s", NATS_PREFIX="v2", NATS_TOKEN=SECRET)
    assert shown["servers"] == ("nats://h:1", "context prod")
    assert shown["creds"] == (creds, "--creds")
    assert shown["prefix"] == ("v2", "NATS_PREFIX")
    assert shown["timeout_ms"] == ("5000ms", "--timeout")
    assert "token" not in shown
    text = contexts.nrt("show", NATS_TOKEN=SECRET).stdout
    assert "Context prod (selected), from " + contexts.path("prod") in text
    assert [line.split() for line in text.splitlines() if line.startswith("token")] == [
        ["token", "********", "NATS_TOKEN"]
    ]
    assert "\x1b" not in text


@pytest.mark.parametrize("flag, value, setting", [
    ("--server", "nats://f:1", "servers"),
    ("-s", "nats://f:1", "servers"),
    ("--user", "u", "user"),
    ("--token", SECRET, "token"),
    ("--creds", "FILE", "creds"),
    ("--nkey", "FILE", "nkey"),
    ("--tlsca", "FILE", "tls_ca"),
    ("--inbox-prefix", "_INBOX.x", "inbox_prefix"),
    ("--prefix", "v3", "prefix"),
])
def test_each_flag_lands_where_it_should(world, contexts, flag, value, setting):
    value = world.file("file", "x") if value == "FILE" else value
    name = "--server" if flag == "-s" else flag
    shown = contexts.show(flag, value)
    assert shown[setting] == ("********" if value == SECRET else value, name)


def test_flags_that_go_together(world, contexts):
    cert, key = world.file("cert", "x"), world.file("key", "x")
    shown = contexts.show("--user", "u", "--password", SECRET, "--tlscert", cert, "--tlskey", key,
                          "--tls-first")
    assert shown["password"] == ("********", "--password") and shown["user"] == ("u", "--user")
    assert shown["tls_cert"] == (cert, "--tlscert") and shown["tls_key"] == (key, "--tlskey")
    assert shown["tls_first"] == ("yes", "--tls-first")
    done = contexts.nrt("show", "--tlskey", key, expect=2)
    assert "--tlskey: is set without" in done.stderr


def test_show_of_a_name_is_that_context_alone(contexts):
    contexts.write("prod", url="nats://p:1", user="u", password=SECRET)
    contexts.write("other", url="nats://o:1")
    contexts.select("other")
    shown = contexts.show("prod", NATS_URL="nats://e:1", NATS_TOKEN="t")
    assert shown["servers"] == ("nats://p:1", "context prod")
    assert shown["user"] == ("u", "context prod")
    assert shown["password"] == ("********", "context prod")
    assert "token" not in shown


def test_home_and_variables_expand_and_without_xdg_home_has_the_contexts(world, contexts):
    home = world.path("home")
    os.makedirs(os.path.join(home, ".config", "nats", "context"))
    for name in ("a.creds", "b.pem"):
        with open(os.path.join(home, name), "w", encoding="utf-8") as out:
            out.write("x")
    with open(os.path.join(home, ".config/nats/context/h.json"), "w", encoding="utf-8") as out:
        json.dump({"creds": "~/a.creds", "ca": "${WHERE}/b.pem"}, out)
    shown = contexts.show("h", HOME=home, XDG_CONFIG_HOME="", WHERE=home)
    assert shown["creds"] == (home + "/a.creds", "context h")
    assert shown["tls_ca"] == (home + "/b.pem", "context h")


# ---- errors at start ----------------------------------------------------------------------------


@pytest.mark.parametrize("keys, reason", [
    ({"text": '{\n"url": "nats://h",\n"token" "' + SECRET + '"\n}'}, "line 3: not valid JSON"),
    ({"nsc": "nsc://o/a/u"}, "nsc is set, and nrt cannot honour it"),
    ({"socks_proxy": "socks5://h"}, "socks_proxy is set, and nrt cannot honour it"),
    ({"windows_ca_certs_match": ["x"]}, "windows_ca_certs_match is set"),
    ({"passwrd": SECRET}, "passwrd is an unknown key, and its value is not empty; "
     "did you mean password"),
    ({"creds": "/nowhere/x.creds"}, "key creds: /nowhere/x.creds: No such file or directory"),
    ({"ca": "/"}, "key ca: /: Is a directory"),
    ({"token": SECRET, "nkey": "/x"}, "key token and nkey are both set"),
    ({"text": " " * (1 << 20) + "{}"}, "larger than a context may be"),
])
def test_every_command_refuses_a_context_that_cannot_be_used(contexts, keys, reason):
    path = contexts.write("c", **keys)
    for command in (["get", "http://a.nats/"], ["serve", "a.nats", "http://127.0.0.1:1"],
                    ["gateway", "--listen", "0", "--proxy"], ["context", "check"],
                    ["context", "show"]):
        done = contexts.run(*command, "--context", "c", expect=2)
        assert reason in done.stderr and len(done.stderr.splitlines()) == 1
        assert 'context "c"' in done.stderr
    if "key " not in reason:
        assert path in done.stderr


def test_an_unknown_context_is_an_error_that_lists_what_there_is(contexts):
    for name in ("prod-east", "prod-west"):
        contexts.write(name, url="nats://h")
    for args, env in ((["--context", "prod-eats"], {}), ([], {"NATS_CONTEXT": "prod-eats"})):
        done = contexts.run("get", "http://a.nats/", *args, expect=2, **env)
        assert 'no context "prod-eats" in ' + contexts.folder in done.stderr
        assert 'did you mean "prod-east"? There are: prod-east, prod-west' in done.stderr
    contexts.select("gone")
    done = contexts.run("get", "http://a.nats/", expect=2)
    assert 'no context "gone"' in done.stderr and "NATS_ENV=true" in done.stderr


@pytest.mark.parametrize("args, env, reason", [
    (["--context", "../x"], {}, "--context: not the name of a context"),
    (["--creds", "/nowhere"], {}, "--creds: /nowhere: No such file"),
    (["--tlsca", "/nowhere"], {}, "--tlsca: /nowhere: No such file"),
    (["--token", ""], {}, "--token: is empty"),
    (["--server", "http://x"], {}, "--server: a NATS server's URL begins with nats://"),
    (["--prefix", "a b"], {}, "--prefix: cannot begin a subject"),
    ([], {"NATS_NKEY": "/nowhere"}, "NATS_NKEY: /nowhere: No such file"),
    ([], {"NATS_URL": f"nats://u:{SECRET}@h:x"}, "NATS_URL: a server's URL is not valid"),
    ([], {"NATS_PREFIX": "$x"}, "NATS_PREFIX: cannot begin a subject"),
    ([], {"NATS_ENV": "1"}, "NATS_ENV: \"1\" is neither true nor false"),
    ([], {"NATS_TIMEOUT": "5"}, "NATS_TIMEOUT: \"5\" has no unit"),
    ([], {"NATS_TOKEN": SECRET, "NATS_CREDS": "/x"}, "NATS_TOKEN and NATS_CREDS are both set"),
    (["--user", "u:" + SECRET], {}, "--user is the NATS user"),
])
def test_what_is_wrong_is_named_as_it_was_given(contexts, args, env, reason):
    done = contexts.run("get", "http://a.nats/", *args, expect=2, **env)
    assert reason in done.stderr


def test_files_that_are_none(world, contexts):
    os.mkdir(contexts.path("folder"))
    os.mkfifo(contexts.path("pipe"))
    assert "Is a directory" in contexts.nrt("show", "folder", expect=2).stderr
    assert "not a regular file" in contexts.nrt("show", "pipe", expect=2).stderr
    os.symlink(world.file("elsewhere", '{"url": "nats://linked"}'), contexts.path("link"))
    assert contexts.show("link")["servers"] == ("nats://linked", "context link")
    os.symlink("/nowhere", contexts.path("dangling"))
    assert "no context" in contexts.nrt("show", "dangling", expect=2).stderr


def test_a_file_that_may_not_be_read(world, contexts):
    argv = [NRT, "context", "show", "--context", "c"]
    if os.getuid() == 0:  # root reads everything
        argv = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
        os.chmod(world.folder, 0o755)
    for folder in (world.path("config"), contexts.folder, os.path.dirname(contexts.path("c"))):
        os.chmod(folder, 0o755)
    contexts.write("c", mode=0, url="nats://h")
    assert "c.json): Permission denied" in world.run(argv, expect=2).stderr
    contexts.write("c", creds=world.file("secret.creds", "x"))
    os.chmod(contexts.path("c"), 0o644)
    os.chmod(world.path("secret.creds"), 0)
    assert "secret.creds: Permission denied" in world.run(argv, expect=2).stderr


# ---- at work ------------------------------------------------------------------------------------


def test_check_connects_and_tells_the_server(contexts, nats):
    contexts.write("good", url=nats.url)
    out = contexts.nrt("check", "good").stdout
    assert out.startswith(f"context good: connected to {nats.name} (nats-server 2.")
    assert nats.url in out and "round trip" in out
    told = json.loads(contexts.nrt("check", "--json", NATS_URL=nats.url).stdout)
    assert told["context"] is None and told["server"] == nats.name and told["url"] == nats.url
    assert 0 < told["rtt_ms"] < 10000


def test_check_fails_where_nobody_listens_or_the_server_refuses(world, contexts):
    contexts.write("dead", url=f"nats://127.0.0.1:{free_port()}")
    done = contexts.nrt("check", "dead", expect=1)
    assert "no connection to NATS" in done.stderr and len(done.stderr.splitlines()) == 1
    guarded = world.nats(config=f'authorization {{ user: u, password: "{SECRET}" }}')
    contexts.write("wrong", url=guarded.url.replace("//", "//u:no@"))
    assert "no connection to NATS" in contexts.nrt("check", "wrong", expect=1).stderr
    contexts.write("right", url=guarded.url.replace("//", f"//u:{SECRET}@"))
    contexts.nrt("check", "right")


def test_check_warns_of_secrets_that_others_can_read(world, contexts, nats):
    contexts.write("open", mode=0o644, url=nats.url, token=SECRET)
    assert "open.json can be read by others" in contexts.nrt("check", "open").stderr
    contexts.write("closed", url=nats.url, token=SECRET)
    assert contexts.nrt("check", "closed").stderr == ""
    contexts.write("plain", mode=0o644, url=nats.url)
    assert contexts.nrt("check", "plain").stderr == ""


def test_a_context_serves_and_gets(world, contexts, nats):
    guarded = world.nats(config='authorization { user: u, password: p }')
    origin = world.origin(lambda request: plain("body"))
    contexts.write("here", url=guarded.url.replace("//", "//u:p@"))
    contexts.write("elsewhere", url=nats.url)
    child = world.nrt("serve", "hello.nats", origin.url, env={"NATS_CONTEXT": "here"})
    child.wait_line("serving hello.nats on ")
    get = ("get", "-f", "http://hello.nats/", "--timeout", "20s")
    contexts.run(*get, "--context", "here")
    contexts.select("here")
    contexts.run(*get)
    assert len(origin.requests) == 2
    for args, env in ((["--context", "elsewhere"], {}), (["--server", nats.url], {}),
                      ([], {"NATS_URL": nats.url})):
        assert "no service answers" in contexts.run(*get, *args, expect=1, **env).stderr
    assert "no connection" in contexts.run(*get, "--no-wait", "--server", guarded.url,
                                           expect=1).stderr
    assert len(origin.requests) == 2


def test_credentials_let_us_in_from_wherever_they_come(world, contexts):
    by_token = world.nats(config=f'authorization {{ token: "{SECRET}" }}').url
    by_user = world.nats(config=f'authorization {{ user: u, password: "{SECRET}" }}').url
    key = NKey("user")
    by_nkey = world.nats(config=f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}").url
    seed = world.file("seed", key.seed)
    contexts.write("token", url=by_token, token=SECRET)
    contexts.write("user", url=by_user, user="u", password=SECRET)
    contexts.write("nkey", url=by_nkey, nkey=seed)
    contexts.write("wrong", url=by_user, token="wrong")
    for args, env in (
        (["--context", "token"], {}), (["--context", "user"], {}), (["--context", "nkey"], {}),
        ([], {"NATS_URL": by_token, "NATS_TOKEN": SECRET}),
        ([], {"NATS_URL": by_token, "NATS_USER": SECRET}),
        ([], {"NATS_URL": by_user, "NATS_USER": "u", "NATS_PASSWORD": SECRET}),
        ([], {"NATS_URL": by_nkey, "NATS_NKEY": seed}),
        (["--server", by_token, "--token", SECRET], {"NATS_CREDS": "/nowhere"}),
        (["--server", by_user, "--user", "u", "--password", SECRET], {"NATS_TOKEN": "wrong"}),
        (["--server", by_user, "--user", "u"], {"NATS_PASSWORD": SECRET}),
        (["--server", by_nkey, "--nkey", seed], {}),
        (["--context", "wrong", "--user", "u", "--password", SECRET], {}),
        (["--context", "user", "--server", by_user], {}),
    ):
        contexts.nrt("check", *args, **env)
    assert "Authorization Violation" in contexts.nrt("check", "wrong", expect=1).stderr


def test_prefix_and_timeout_come_from_the_environment(world, nats, peer):
    sub = peer.subscribe("v2.requests.weather.nats.get")
    done = world.run([NRT, "get", "http://weather.nats/x"], expect=1, env={
        "NATS_URL": nats.url, "NATS_PREFIX": "v2", "NATS_TIMEOUT": "60ms"})
    assert "within 60 ms" in done.stderr
    assert parse_request(sub.next().payload).target == "/x"


def test_the_demo_is_the_same_for_everybody(world, contexts):
    contexts.write("bad", text="{")
    contexts.select("bad")
    world.run([NRT, "demo"], timeout=60, env={
        "NATS_URL": "nats://127.0.0.1:1", "NATS_CONTEXT": "bad", "NATS_CREDS": "/nowhere",
        "NATS_PREFIX": "v9", "NATS_TIMEOUT": "1ms", "NATS_ENV": "perhaps"})


def test_a_letter_means_what_it_means_to_curl_in_get(world):
    shown = world.run([NRT, "get", "--help"]).stdout
    assert "-s, --silent" in shown and "-s, --server" not in shown and "--server URL" in shown
    assert "-s, --server" in world.run([NRT, "serve", "--help"]).stdout


def test_an_embedded_service_takes_the_same_settings(world, contexts, nats, peer):
    contexts.write("c", url=nats.url)
    program = os.path.join(os.path.dirname(NRT), "nrt-weather")
    child = world.start([program], env={"NATS_CONTEXT": "c"})
    child.wait_line(r"serving weather\.nats")
    payload = gowire.request("POST", "/city", "weather.nats", b'{"city":"london"}')
    assert b" 200 " in peer.request("nrt.requests.weather.nats.post", payload).payload
    done = world.run([program], expect=1, env={"NATS_CONTEXT": "d"})
    assert 'there is no context "d"' in done.stderr

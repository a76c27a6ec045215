/* Why a NATS server cannot be connected to, and what to do about it. */
#include "cli/doctor/doctor.h"
#include "core/base/str.h"

/* What the settings are called where they come from: "--server", "NATS_URL", a context. */
static const char *origin(const nrt__config *config, nrt__setting setting, char *out, size_t size) {
    char where[NRT__WHERE_SIZE];
    nrt__config_where(config, setting, config->from[setting], where, sizeof(where));
    nrt__common_explain(where, out, size);
    return out;
}

static void advise_servers(nrt__doctor *doctor, const nrt__config *config, const char *what) {
    char from[NRT__WHERE_SIZE + 32];
    if (config->from[NRT__SET_SERVERS] == NRT__FROM_DEFAULT) {
        nrt__doctor_advise(doctor,
                           "%s; no server was named, and this is the default: name it by "
                           "--server, NATS_URL or a context",
                           what);
    } else {
        nrt__doctor_advise(doctor, "%s; the address comes from %s", what,
                           origin(config, NRT__SET_SERVERS, from, sizeof(from)));
    }
}

static bool says(const nrt__doctor_failure *failure, const char *words) {
    return strstr(failure->detail, words) != NULL;
}

static void advise_tls(nrt__doctor *doctor, const nrt__config *config,
                       const nrt__doctor_failure *failure) {
    char from[NRT__WHERE_SIZE + 32];
    const nrt_options *options = &config->options;
    if (says(failure, "has expired")) {
        nrt__doctor_advise(doctor, "renew the NATS server's certificate and reload the server "
                                   "(nats-server --signal reload); if the date is not in the "
                                   "past, this machine's clock is wrong: timedatectl");
    } else if (says(failure, "not valid yet")) {
        nrt__doctor_advise(doctor, "this machine's clock is behind, or the certificate was made "
                                   "for later: compare with date -u, and see timedatectl");
    } else if (says(failure, "mismatch")) {
        nrt__doctor_advise(doctor, "connect by a name that the certificate has, or have one made "
                                   "with this name as subjectAltName");
        advise_servers(doctor, config, "what must match is the host in the server's URL");
    } else if (says(failure, "is not the one that signed it")) {
        nrt__doctor_advise(doctor,
                           "%s has other certificates; give the CA that signed the "
                           "server's, with what stands between",
                           options->tls_ca ? origin(config, NRT__SET_TLS_CA, from, sizeof(from))
                                           : "the file");
    } else if (says(failure, "no CA of this system signed it")) {
        nrt__doctor_advise(doctor, "give the CA that signed the server's certificate: --tlsca "
                                   "FILE, NATS_CA, or ca in the context");
    } else if (says(failure, "want a certificate of us")) {
        nrt__doctor_advise(doctor, "the server asks its clients for certificates: give yours with "
                                   "--tlscert and --tlskey, NATS_CERT and NATS_KEY, or cert and "
                                   "key in the context");
    } else if (says(failure, "not like the certificate")) {
        nrt__doctor_advise(doctor, "it must be signed by the CA in the server's tls block "
                                   "(ca_file), be for client authentication, and not have "
                                   "expired: openssl x509 -noout -text -in FILE");
    } else if (says(failure, "does not speak TLS")) {
        nrt__doctor_advise(doctor, "leave --tls-first out: this server greets in plain text "
                                   "first");
    } else if (says(failure, "offers none")) {
        nrt__doctor_advise(doctor, "the server has no tls block; give it one, or, where plain "
                                   "text will do, write nats:// and leave out CA and "
                                   "certificate");
    } else {
        nrt__doctor_advise(doctor, "look at the server's log for the same handshake");
    }
}

static void advise_auth(nrt__doctor *doctor, const nrt__config *config,
                        const nrt__doctor_failure *failure) {
    static const nrt__setting kinds[] = {NRT__SET_CREDS, NRT__SET_JWT, NRT__SET_NKEY,
                                         NRT__SET_TOKEN, NRT__SET_USER};
    char from[NRT__WHERE_SIZE + 32];
    if (says(failure, "JWT expired") || says(failure, "Authentication Expired")) {
        nrt__doctor_advise(doctor, "have the user's JWT renewed, and put the new credentials in "
                                   "place");
        nrt__doctor_paste(doctor, "nsc edit user --name NAME --expiry 1y && nsc generate creds "
                                  "--name NAME");
        return;
    }
    if (says(failure, "we sent no credentials")) {
        nrt__doctor_advise(doctor, "the server wants to know who we are: --creds, --nkey, --user "
                                   "and NATS_PASSWORD, NATS_TOKEN, or a context; nrt context show "
                                   "tells what is used");
        return;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (config->from[kinds[i]] != NRT__FROM_DEFAULT) {
            nrt__doctor_advise(doctor,
                               "what was sent comes from %s; compare it with the users in "
                               "the server's configuration",
                               origin(config, kinds[i], from, sizeof(from)));
            return;
        }
    }
    nrt__doctor_advise(doctor, "compare what was sent with the users in the server's "
                               "configuration; nrt context show tells where it comes from");
}

static void advise_connect(nrt__doctor *doctor, const nrt__config *config,
                           const nrt__doctor_failure *failure) {
    if (says(failure, "Connection refused")) {
        advise_servers(doctor, config,
                       "nothing listens there: is nats-server running, and is the port right");
    } else if (says(failure, "unreachable") || says(failure, "No route")) {
        advise_servers(doctor, config,
                       "this machine has no way there: look at its network, or a VPN");
    } else if (failure->stage == NRT__LINK_SECURING) {
        nrt__doctor_advise(doctor, "the server ended the TLS handshake: its log says why; where "
                                   "TLS comes first, --tls-first is needed, and nowhere else");
    } else if (failure->stage == NRT__LINK_GREETING) {
        nrt__doctor_advise(doctor, "who listens there takes connections and ends them: a proxy "
                                   "without a server behind it, a server at its limit of "
                                   "connections, or none of NATS");
    } else {
        advise_servers(doctor, config, "look at the network between here and there");
    }
}

static void advise_timeout(nrt__doctor *doctor, const nrt__config *config,
                           const nrt__doctor_failure *failure) {
    if (failure->stage == NRT__LINK_RESOLVING) {
        nrt__doctor_advise(doctor, "the name server does not answer: resolvectl status");
    } else if (failure->stage == NRT__LINK_DIALING) {
        advise_servers(doctor, config,
                       "a firewall drops packets on the way, or the machine is down");
    } else if (failure->stage == NRT__LINK_SECURING) {
        nrt__doctor_advise(doctor, "what listens there does not speak TLS, or is stuck%s",
                           config->options.tls_first ? "; leave --tls-first out" : "");
    } else {
        nrt__doctor_advise(doctor, "something listens there and does not greet as a NATS server "
                                   "does: another program's port, or a server that wants TLS "
                                   "first (--tls-first)");
    }
}

static void advise_server(nrt__doctor *doctor, const nrt__config *config,
                          const nrt__doctor_failure *failure) {
    if (says(failure, "does not support headers")) {
        nrt__doctor_advise(doctor, "upgrade it to nats-server 2.2 or newer, and take "
                                   "no_header_support out of its configuration");
    } else if (says(failure, "aximum")) {
        nrt__doctor_advise(doctor, "a limit of the server or of the account is reached: raise it "
                                   "there (max_connections, conn)");
    } else {
        advise_servers(doctor, config,
                       "what listens there may be no NATS server for clients: 4222 is the usual "
                       "port; 6222 is for routes, 8222 for monitoring");
    }
}

void nrt__doctor_failed(nrt__doctor *doctor, nrt__mark mark, const nrt__config *config,
                        const nrt__doctor_failure *failure) {
    const char *check = failure->error == NRT_ERR_TLS           ? "tls"
                        : failure->error == NRT_ERR_AUTH        ? "login"
                        : failure->error == NRT_ERR_RESOLVE     ? "name"
                        : failure->stage == NRT__LINK_RESOLVING ? "name"
                        : failure->stage == NRT__LINK_SECURING  ? "tls"
                                                                : "connection";
    nrt__doctor_tell(doctor, mark, check, "%s", failure->detail);
    nrt__doctor_set(doctor, "error", json_string(nrt_error_code(failure->error)));
    switch (failure->error) {
    case NRT_ERR_RESOLVE:
        advise_servers(doctor, config, "is the name spelt right? getent hosts NAME asks as we do");
        break;
    case NRT_ERR_TLS:
        advise_tls(doctor, config, failure);
        break;
    case NRT_ERR_AUTH:
        advise_auth(doctor, config, failure);
        break;
    case NRT_ERR_TIMEOUT:
        advise_timeout(doctor, config, failure);
        break;
    case NRT_ERR_SERVER:
        advise_server(doctor, config, failure);
        break;
    default:
        advise_connect(doctor, config, failure);
        break;
    }
}

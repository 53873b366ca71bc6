import Postgres

extension ConnectionRefusal {
    /// What to type, on which side.
    package var mend: String {
        switch self {
        case .password:
            "put the role's password where postgres.url has it from (the URL, a file, postgres.password, PGPASSWORD or "
                + "~/.pgpass); in psql see whether the role is there and has not ended (\\du), and set another with \\password"
        case .noPassword:
            "put the password into a file and write postgres.url: postgresql://role:${file:/run/secrets/pg}@host/database, "
                + "or set postgres.password"
        case .role: "let postgres.url name a role that is there and may log in; in psql \\du shows them"
        case .accessRule:
            "add a line for this role, database and address to pg_hba.conf and reload the server; if the line is a hostssl "
                + "one, add sslmode=verify-full to postgres.url; a managed server has it as firewall, allowed networks, "
                + "or required TLS"
        case .clientCertificate:
            "add sslcert=/path/client.pem and sslkey=/path/client.key to postgres.url: a certificate that has not ended, of an "
                + "authority in the server's ssl_ca_file, whose CN is the role (or maps to it in pg_ident.conf)"
        case .method:
            "on RDS: give the role rds_iam, allow its identity rds-db:connect on it, and set postgres.password: "
                + "{ source: rds_iam }; elsewhere see the server's log for what PAM, LDAP or Kerberos has said"
        case .login: "see the server's log for why, and its pg_hba.conf"
        case .database: "let postgres.url name a database that is there: psql -l"
        case .databaseRight: "let the role in: GRANT CONNECT ON DATABASE name TO role"
        case .databaseClosed: "let the database take connections again: datallowconn in pg_database"
        case .serverCertificate:
            "let sslrootcert in postgres.url name the authority that has signed the server's certificate (on RDS its "
                + "global-bundle.pem; `system` for those that this machine trusts), or renew the certificate"
        case .serverName: "let postgres.url name the host as its certificate does, or have one made for this host"
        case .authorities:
            "add sslrootcert=/path/ca.pem to postgres.url, a file that the loader's user may read, or sslrootcert=system for the "
                + "authorities that this machine trusts"
        case .noTLS: "let the server have TLS (ssl = on, a certificate), or take sslmode out where nobody is in between"
        case .tlsVersion: "let the server take TLS 1.2 or newer (ssl_min_protocol_version), or renew what is too old"
        case .channelBinding:
            "let the role's password be of scram-sha-256 and the connection be TLS without a proxy that ends it, or take "
                + "channel_binding out of postgres.url"
        case .requiredMethod: "take require_auth or gssencmode out of postgres.url, or change the server's pg_hba.conf"
        case .clientFiles:
            "let sslcert and sslkey in postgres.url be PEM files that belong together, the key readable by the loader's user "
                + "alone: chmod 600"
        case .notPostgres:
            "let postgres.url name PostgreSQL's own port; a port that speaks TLS from its first byte wants a proxy, or "
                + "sslnegotiation=direct with libpq 17"
        case .secret: "see postgres.password, and whether what it names can be read and reached from here"
        case .options: "mend postgres.url: its options are libpq's"
        }
    }
}

import Foundation
import Web

extension AWSSignature {
    /// What lets somebody in to Amazon MSK, as SASL's mechanism OAUTHBEARER: a presigned request in base64, which the brokers send
    /// to AWS so as to hear who has signed it. The host is the same in all of AWS's partitions.
    ///
    /// - Parameter userAgent: what AWS's log of requests calls the loader. It is not signed.
    static func tokenForMSK(_ credentials: AWSCredentials, region: String, at date: Date, userAgent: String) -> String {
        let signature = AWSSignature(credentials, region: region, service: "kafka-cluster")
        let request = Request(
            "GET", host: "kafka.\(region).amazonaws.com", query: [("Action", "kafka-cluster:Connect")])
        let url = "https://\(signature.presigned(request, at: date))&User-Agent=\(userAgent.percentEncoded)"
        return Data(url.utf8).base64URL
    }

    /// A password for a database of Amazon RDS, Aurora or Aurora DSQL that knows its users by AWS's own access control.
    ///
    /// - Parameter host: as the database is called in AWS; another name that leads there is none.
    static func passwordForRDS(
        _ credentials: AWSCredentials, region: String, host: String, port: Int, user: String, at date: Date
    ) -> String {
        let host = host.lowercased()
        // Aurora DSQL has other words for it: neither port nor user is signed, and its administrator has an action of his own.
        if host.hasSuffix(".on.aws"), host.contains(".dsql") {
            let action = user == "admin" ? "DbConnectAdmin" : "DbConnect"
            return AWSSignature(credentials, region: region, service: "dsql")
                .presigned(Request("GET", host: host, query: [("Action", action)]), at: date)
        }
        let request = Request("GET", host: "\(host):\(port)", query: [("Action", "connect"), ("DBUser", user)])
        return AWSSignature(credentials, region: region, service: "rds-db").presigned(request, at: date)
    }
}

import Testing

@testable import Credentials

@Suite("AWS's files")
struct AWSProfilesTests {
    private func mistake(_ config: String?, _ credentials: String?) -> AWSProfiles.Mistake? {
        do throws(AWSProfiles.Mistake) {
            _ = try AWSProfiles(config: config, credentials: credentials)
            return nil
        } catch {
            return error
        }
    }

    @Test("profiles are told apart from other sections, and the file credentials goes before the file config")
    func merged() throws {
        let profiles = try AWSProfiles(
            config: """
                [default]
                region = eu-west-1
                [profile shop]
                Role_ARN: arn:aws:iam::1:role/shop
                aws_access_key_id = OLD
                [profile "two words"]
                region=eu-north-1
                [shop]
                region = none-of-a-profile-1
                [sso-session work]
                sso_region = eu-central-1
                sso_start_url = https://work.awsapps.com/start
                """,
            credentials: """
                [shop]
                aws_access_key_id = NEW
                aws_secret_access_key = a=b:c
                """)
        #expect(profiles["default"] == ["region": "eu-west-1"])
        #expect(
            profiles["shop"] == [
                "role_arn": "arn:aws:iam::1:role/shop", "aws_access_key_id": "NEW", "aws_secret_access_key": "a=b:c",
            ])
        #expect(profiles["two words"] == ["region": "eu-north-1"])
        #expect(profiles["none"] == nil)
        #expect(profiles.sessions["work"]?["sso_start_url"] == "https://work.awsapps.com/start")
        #expect(profiles.config["shop"]?["aws_access_key_id"] == "OLD")
    }

    @Test("comments, empty lines, indented settings of services and line ends of Windows are what they are")
    func form() throws {
        let profiles = try AWSProfiles(
            config:
                "# a\r\n; b\r\n\r\n[default]\r\nregion = eu-west-1\r\ns3 =\r\n  max_concurrent_requests = 20\r\n\r\n  # c\r\n"
                + "output = json\r\nempty =\r\n", credentials: nil)
        #expect(
            profiles["default"] == [
                "region": "eu-west-1", "s3": "\nmax_concurrent_requests = 20", "output": "json", "empty": "",
            ])
    }

    @Test(
        "a line that is none of such a file is told by its number, and nothing of it is shown",
        arguments: [("[default]\nwJalrXUtnFEMI", 2), ("key = value", 1), ("[default]\n= value", 2)])
    func mistakes(text: String, line: Int) {
        #expect(mistake(text, nil) == AWSProfiles.Mistake(isOfCredentials: false, line: line))
        #expect(mistake(nil, text) == AWSProfiles.Mistake(isOfCredentials: true, line: line))
    }

    @Test("nothing that prints profiles shows a secret")
    func secrets() throws {
        let profiles = try AWSProfiles(config: nil, credentials: "[default]\naws_secret_access_key = s3cret")
        var dumped = ""
        dump(profiles, to: &dumped)
        #expect(!dumped.contains("s3cret") && !"\(profiles)".contains("s3cret"))
    }

    @Test(
        "a command's words are parted as a shell does",
        arguments: [
            ("a b  c", ["a", "b", "c"]), ("'a b' \"c d\"e", ["a b", "c de"]),
            (#"a\ b "c\"d\e" '\f'"#, ["a b", #"c"d\e"#, #"\f"#]),
            ("\"\" ''", ["", ""]), ("$HOME `id` | x", ["$HOME", "`id`", "|", "x"]), ("", []),
        ])
    func words(text: String, expected: [String]) throws {
        #expect(try CommandWords.split(text) == expected)
    }

    @Test("a quote that does not end is no command", arguments: ["'a", "\"a", "a\\"])
    func open(text: String) {
        #expect(throws: CommandWords.Open.self) { try CommandWords.split(text) }
    }
}

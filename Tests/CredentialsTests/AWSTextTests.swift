import Foundation
import Testing

@testable import Credentials

@Suite("The texts of AWS's answers")
struct AWSTextTests {
    @Test("an element's text is found, with what is escaped in it")
    func xml() {
        let text = "<A><B>1 &lt;&amp;&#x41;&#66; &unknown; &</B><C></C></A>"
        #expect(XMLText.value(of: "B", in: text) == "1 <&AB &unknown; &")
        #expect(XMLText.value(of: "C", in: text) == "")
        #expect(XMLText.content(of: "A", in: text)?.hasPrefix("<B>") == true)
        #expect(XMLText.value(of: "D", in: text) == nil)
        #expect(XMLText.value(of: "B", in: "<B>open") == nil)
    }

    @Test("an answer with a part missing has no credentials in it")
    func missing() {
        let whole = """
            <R><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>\
            <Expiration>2026-01-02T03:04:05.6Z</Expiration></Credentials></R>
            """
        #expect(AWSTokenService.credentials(in: whole)?.accessKeyID == "A")
        for part in ["Credentials", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            #expect(AWSTokenService.credentials(in: whole.replacing("<\(part)>", with: "<other>")) == nil, "\(part)")
        }
    }
}

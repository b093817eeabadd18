//! Payloads of provisioning configurations: profiles as Apple's portal issues them, with an empty
//! list of signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::instant::Instant;

/// 100 ns ticks in a year of 365 days.
pub(crate) const YEAR: i64 = 365 * 1440 * 600_000_000;

/// The profile of the configuration with this number, in base64. It is valid for a year. Development,
/// ad hoc and enterprise profiles alternate.
pub(crate) fn payload(number: usize, created: Instant) -> String {
    STANDARD.encode(signed(property_list(number, created).as_bytes()))
}

fn property_list(number: usize, created: Instant) -> String {
    let (kind, is_development) = match number % 3 {
        0 => ("Development", true),
        1 => ("Ad Hoc", false),
        _ => ("In-House", false),
    };
    let devices =
        (0..=number % 7).map(|device| format!("<string>00008110-{:016X}</string>", number * 16 + device));
    let audience = match number % 3 {
        2 => "<key>ProvisionsAllDevices</key><true/>".to_owned(),
        _ => format!("<key>ProvisionedDevices</key><array>{}</array>", devices.collect::<String>()),
    };
    let date = |instant: Instant| format!("<date>{}Z</date>", &instant.to_string()[..19]);
    let number = number + 1;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>AppIDName</key><string>Contoso App \
         {number}</string><key>CreationDate</key>{}<key>IsXcodeManaged</key><{is_development}/><key>Entitlements</key>\
         <dict><key>application-identifier</key><string>A1B2C3D4E5.com.contoso.app{number}</string><key>get-task-allow\
         </key><{is_development}/></dict><key>ExpirationDate</key>{}<key>Name</key><string>Contoso App {number} {kind}\
         </string>{audience}<key>TeamIdentifier</key><array><string>A1B2C3D4E5</string></array><key>TeamName</key>\
         <string>Contoso Ltd</string><key>TimeToLive</key><integer>365</integer><key>UUID</key><string>\
         3f6f2c1e-7a53-4b0e-9b1d-{number:012x}</string><key>Version</key><integer>1</integer></dict></plist>\n",
        date(created),
        date(created.plus(YEAR)),
    )
}

/// Signed data (RFC 5652, section 5) without certificates and signatures.
fn signed(content: &[u8]) -> Vec<u8> {
    const SIGNED_DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    const DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let encapsulated = [DATA, &element(0xa0, &element(0x04, content))].concat();
    let version_and_digests: &[u8] = &[0x02, 1, 1, 0x31, 0];
    let signed_data = [version_and_digests, &element(0x30, &encapsulated), &[0x31, 0]].concat();
    element(0x30, &[SIGNED_DATA, &element(0xa0, &element(0x30, &signed_data))].concat())
}

/// An element in DER with a length of two bytes at most.
fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    let length = match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), value].concat()
}

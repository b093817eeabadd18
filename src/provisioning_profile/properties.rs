//! Any bytes are a profile or an error, and a property list has the same profile in an envelope.

use super::ProvisioningProfile;

/// Takes a profile, or a property list.
pub fn provisioning_profile(data: &[u8]) {
    let _ = ProvisioningProfile::read(data);
    assert_eq!(ProvisioningProfile::read(&signed(data)), ProvisioningProfile::read_property_list(data));
}

/// Signed data with this content, without certificates and signatures.
pub(super) fn signed(content: &[u8]) -> Vec<u8> {
    const SIGNED_DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    const DATA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let encapsulated = [DATA, &element(0xa0, &element(0x04, content))].concat();
    let version_and_digests: &[u8] = &[0x02, 1, 1, 0x31, 0];
    let signed_data = [version_and_digests, &element(0x30, &encapsulated), &[0x31, 0]].concat();
    element(0x30, &[SIGNED_DATA, &element(0xa0, &element(0x30, &signed_data))].concat())
}

fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count().min(length.len() - 1)..];
    let mut element = vec![tag];
    if value.len() >= 0x80 {
        element.push(0x80 | u8::try_from(digits.len()).expect("a length has at most 8 bytes"));
    }
    element.extend_from_slice(digits);
    element.extend_from_slice(value);
    element
}

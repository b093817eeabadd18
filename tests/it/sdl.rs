//! The printed schema.

/// `schema.graphql` is what `intune-graphql schema` prints; write it anew with `just schema`.
#[test]
fn the_checked_in_schema_is_the_one_that_is_served() {
    let checked_in = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
    assert_eq!(checked_in.trim_end(), intune_graphql::schema::sdl().trim_end());
}

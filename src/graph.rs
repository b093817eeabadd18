//! The only door to Microsoft Graph.

mod root;

pub use self::root::{Cloud, ServiceRoot, ServiceRootError};

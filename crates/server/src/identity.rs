//! Who is calling: API keys and tokens of an identity provider, what each role may do, and
//! which events each caller may see.

mod claims;
mod jwks;
mod jwt_crypto;
mod key_text;
mod key_usage;
mod key_view;
mod keys;
mod principal;
mod role;
mod token;

pub use claims::ClaimNames;
pub use jwks::JwksSource;
pub(crate) use key_text::PREFIX as KEY_PREFIX;
pub use key_view::{KeyError, KeyView, NewKey};
pub use keys::Keys;
pub use principal::{Kind, Place, Principal};
pub use role::{Permission, Role};
pub use token::{Issuer, IssuerConfig, Refused};

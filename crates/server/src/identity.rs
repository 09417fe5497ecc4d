//! Who is calling: API keys, tokens of an identity provider and sessions of browsers, what each
//! role may do, and which events each caller may see.

mod claims;
mod fetching;
mod jwks;
mod jwt_crypto;
mod key_text;
mod key_usage;
mod key_view;
mod keys;
mod oidc_login;
mod principal;
mod role;
pub(crate) mod session;
mod token;

pub use claims::ClaimNames;
pub use jwks::JwksSource;
pub(crate) use key_text::PREFIX as KEY_PREFIX;
pub use key_view::{KeyError, KeyView, NewKey};
pub use keys::Keys;
pub use oidc_login::LoginConfig;
pub(crate) use oidc_login::{Attempt, Login, LoginError, names_error};
pub use principal::{Kind, Place, Principal};
pub use role::{Permission, Role};
pub use token::{Issuer, IssuerConfig, Refused};

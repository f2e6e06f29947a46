//! What the examples of netbuild share.

pub mod site;

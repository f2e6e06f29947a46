//! Who would move if definitions were changed.

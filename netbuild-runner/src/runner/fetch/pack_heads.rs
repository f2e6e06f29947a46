//! The heads in a pack: of the pack, of each object, and of a difference. Pure.

use super::pack_bounds::{PackBounds, PackError, within};

/// The longest head of an object: its size and the place or the id of another.
const MAX_HEAD: usize = 32;

/// What an object is a difference from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Nothing,
    /// The object so many bytes before it.
    Before(u64),
    /// One told by its id.
    Named,
}

/// The number of objects that a pack's head tells.
pub(super) fn start(head: &[u8; 12], bounds: PackBounds) -> Result<u32, PackError> {
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = *head else {
        return Err(PackError::Malformed("it does not begin as a pack of version 2 or 3"));
    };
    let count = u32::from_be_bytes(count);
    within("the objects", count.into(), bounds.objects, "source_files")?;
    Ok(count)
}

/// An object's base and the bytes that it inflates to, once its head is whole and its size is within the bounds.
pub(super) fn object_head(head: &[u8], bounds: PackBounds) -> Result<Option<(Base, u64)>, PackError> {
    if head.len() > MAX_HEAD {
        return Err(PackError::Malformed("an object's head has no end"));
    }
    let Some(end) = head.iter().position(|byte| byte & 0x80 == 0) else { return Ok(None) };
    let (kind, low) = ((head[0] >> 4) & 7, u64::from(head[0] & 15));
    let size = head[1..=end]
        .iter()
        .rev()
        .try_fold(0_u64, |size, byte| size.checked_mul(128).map(|size| size | u64::from(byte & 0x7f)));
    let size =
        size.and_then(|size| size.checked_mul(16)).ok_or(PackError::Malformed("an object's size is none"))? | low;
    bounds.object("the bytes of an object", size)?;
    let base = &head[end + 1..];
    match kind {
        3 => {
            within("the bytes of a file", size, bounds.file_bytes, "source_bytes").map(|()| Some((Base::Nothing, size)))
        }
        1..=4 => Ok(Some((Base::Nothing, size))),
        6 => Ok(distance(base)?.map(|distance| (Base::Before(distance), size))),
        7 => Ok((base.len() == 20).then_some((Base::Named, size))),
        _ => Err(PackError::Malformed("an object of a kind that Git does not know")),
    }
}

/// How far back an object's base is, once it is told whole.
fn distance(bytes: &[u8]) -> Result<Option<u64>, PackError> {
    let Some(end) = bytes.iter().position(|byte| byte & 0x80 == 0) else { return Ok(None) };
    let first = u64::from(bytes[0] & 0x7f);
    let distance = bytes[1..=end].iter().try_fold(first, |distance, byte| {
        distance.checked_add(1)?.checked_mul(128).map(|distance| distance | u64::from(byte & 0x7f))
    });
    distance.map(Some).ok_or(PackError::Malformed("an object's base is nowhere"))
}

/// A size at the begin of a difference, and what follows it.
pub(super) fn size_of_difference(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(9).position(|byte| byte & 0x80 == 0)?;
    let size = bytes[..=end].iter().rev().fold(0_u64, |size, byte| (size << 7) | u64::from(byte & 0x7f));
    Some((size, &bytes[end + 1..]))
}

//! A look at a pack as it comes, before anything is made of it.
//!
//! Objects come compressed a thousandfold and more, and as differences from each other; what takes a pack apart holds whole
//! objects, and those that others are a difference from. So the sizes that the pack tells are held against the bounds first.

use gix::zlib::{Decompress, FlushDecompress, Status};

use super::pack_bounds::{PackBounds, PackError, within};
use super::pack_heads::{Base, object_head, size_of_difference, start};

/// The most bytes of an object and all those that it is a difference from: 1 GiB, for at worst all of them are held at once.
const MAX_CHAIN_BYTES: u64 = 1 << 30;

/// The most objects that an object is a difference from, one by one. Git itself makes no more.
const MAX_CHAIN: u16 = 4095;

/// The bytes of a pack's checksum.
const CHECKSUM: usize = 20;

/// The bytes of a difference that tell both sizes.
const SIZES: usize = 20;

/// A pack of which a part was seen. It holds some bytes of each object's place, and nothing of the objects.
pub(super) struct PackStream {
    bounds: PackBounds,
    stage: Stage,
    /// The bytes seen.
    seen: u64,
    objects_left: u32,
    /// The bytes of all objects.
    bytes: u64,
    /// In the order of their places.
    placed: Vec<Placed>,
    longest_chain: u64,
    /// The bytes of all objects that are, directly or not, a difference from one that is told by its id. Which one that is
    /// cannot be known here, so all of them count as one chain.
    loose_chain: u64,
    inflate: Decompress,
    /// What was inflated last.
    inflated: Vec<u8>,
}

enum Stage {
    /// The pack's own head, as far as it has come.
    Start(Vec<u8>),
    /// An object's head, as far as it has come.
    Head(Vec<u8>),
    Body(Body),
    /// After the last object: so many bytes of the checksum are to come.
    End(usize),
}

struct Body {
    place: u64,
    base: Base,
    /// As its head tells it.
    size: u64,
    compressed: u64,
    inflated: u64,
    /// The first bytes of a difference.
    sizes: Vec<u8>,
}

/// An object that was seen.
struct Placed {
    place: u64,
    /// The bytes of it and all that it is a difference from.
    chain_bytes: u64,
    chain: u16,
    is_loose: bool,
}

impl PackStream {
    pub(super) fn new(bounds: PackBounds) -> Self {
        PackStream {
            bounds,
            stage: Stage::Start(Vec::new()),
            seen: 0,
            objects_left: 0,
            bytes: 0,
            placed: Vec::new(),
            longest_chain: 0,
            loose_chain: 0,
            inflate: Decompress::new(),
            inflated: vec![0; 32 << 10],
        }
    }

    /// Looks at the next part of the pack.
    pub(super) fn see(&mut self, mut part: &[u8]) -> Result<(), PackError> {
        while let Some((&byte, after)) = part.split_first() {
            let rest = match &mut self.stage {
                Stage::Start(head) => {
                    head.push(byte);
                    if let Some(head) = head.as_array() {
                        self.objects_left = start(head, self.bounds)?;
                        self.stage = self.next_stage();
                    }
                    after
                }
                Stage::Head(head) => {
                    head.push(byte);
                    if let Some((base, size)) = object_head(head, self.bounds)? {
                        let place = self.seen + 1 - head.len() as u64;
                        let body = Body { place, base, size, compressed: 0, inflated: 0, sizes: Vec::new() };
                        self.inflate.reset();
                        self.stage = Stage::Body(body);
                    }
                    after
                }
                Stage::Body(body) => {
                    let (taken, ended) = body.inflate(part, &mut self.inflate, &mut self.inflated)?;
                    if ended {
                        let (place, base, size) = (body.place, body.base, body.result_size(self.bounds)?);
                        self.put(place, base, size)?;
                        self.objects_left -= 1;
                        self.stage = self.next_stage();
                    }
                    &part[taken..]
                }
                Stage::End(left) => {
                    *left = left.checked_sub(part.len()).ok_or(PackError::Malformed("something follows its end"))?;
                    &[]
                }
            };
            self.seen += (part.len() - rest.len()) as u64;
            part = rest;
        }
        Ok(())
    }

    fn next_stage(&self) -> Stage {
        if self.objects_left == 0 { Stage::End(CHECKSUM) } else { Stage::Head(Vec::new()) }
    }

    /// Counts an object of `size` bytes.
    fn put(&mut self, place: u64, base: Base, size: u64) -> Result<(), PackError> {
        self.bytes = self.bytes.saturating_add(size);
        within("the bytes of all objects", self.bytes, self.bounds.bytes, "source_bytes and source_files")?;
        let alone = Placed { place, chain_bytes: size, chain: 0, is_loose: base == Base::Named };
        let placed = match base {
            Base::Nothing | Base::Named => alone,
            Base::Before(distance) => {
                let base = place.checked_sub(distance).and_then(|base| self.at(base));
                let base = base.ok_or(PackError::Malformed("an object is a difference from none"))?;
                let chain_bytes = base.chain_bytes.saturating_add(size);
                Placed { place, chain_bytes, chain: base.chain.saturating_add(1), is_loose: base.is_loose }
            }
        };
        match placed.is_loose {
            true => self.loose_chain = self.loose_chain.saturating_add(size),
            false => self.longest_chain = self.longest_chain.max(placed.chain_bytes),
        }
        let chains = self.longest_chain.saturating_add(self.loose_chain);
        within("the bytes of objects that are differences from each other", chains, MAX_CHAIN_BYTES, "a fixed bound")?;
        within("the objects that one is a difference from", placed.chain.into(), MAX_CHAIN.into(), "a fixed bound")?;
        self.placed.push(placed);
        Ok(())
    }

    fn at(&self, place: u64) -> Option<&Placed> {
        self.placed.binary_search_by_key(&place, |placed| placed.place).ok().map(|at| &self.placed[at])
    }
}

impl Body {
    /// Inflates what comes, and forgets it. Tells how much was taken, and whether the object has ended.
    fn inflate(&mut self, part: &[u8], inflate: &mut Decompress, into: &mut [u8]) -> Result<(usize, bool), PackError> {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(part, into, FlushDecompress::None)
            .map_err(|_| PackError::Malformed("an object cannot be inflated"))?;
        let (taken, given) = (inflate.total_in() - read, inflate.total_out() - written);
        self.compressed += taken;
        self.inflated += given;
        // Lengths of a part that is in memory.
        let (taken, given) = (taken as usize, given as usize);
        if self.base != Base::Nothing {
            let lacks = SIZES.saturating_sub(self.sizes.len());
            self.sizes.extend_from_slice(&into[..given.min(lacks)]);
        }
        if self.inflated > self.size {
            return Err(PackError::Malformed("an object is longer than it says"));
        }
        // No compression makes more of it than this, and the whole of it is held.
        if self.compressed > self.size.saturating_add(self.size / 64 + 1024) {
            return Err(PackError::Malformed("an object is larger when it is compressed"));
        }
        match status {
            Status::StreamEnd if self.inflated < self.size => {
                Err(PackError::Malformed("an object is shorter than it says"))
            }
            Status::StreamEnd => Ok((taken, true)),
            Status::Ok | Status::BufError if taken + given == 0 => {
                Err(PackError::Malformed("an object cannot be inflated further"))
            }
            Status::Ok | Status::BufError => Ok((taken, false)),
        }
    }

    /// The bytes of the object, once the difference is applied.
    fn result_size(&self, bounds: PackBounds) -> Result<u64, PackError> {
        if self.base == Base::Nothing {
            return Ok(self.size);
        }
        let sizes = size_of_difference(&self.sizes).and_then(|(base, rest)| Some((base, size_of_difference(rest)?.0)));
        let (base, result) = sizes.ok_or(PackError::Malformed("a difference does not tell its sizes"))?;
        bounds.object("the bytes of an object that another is a difference from", base)?;
        bounds.object("the bytes of an object", result)?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use gix::zlib::Compression;
    use gix::zlib::stream::deflate;
    use netbuild_core::model::JobRules;
    use proptest::prelude::*;

    use super::*;

    const RULES: u64 = 1 << 20;

    fn bounds() -> PackBounds {
        PackBounds::of(&JobRules { source_object_bytes: RULES, source_files: 100, ..JobRules::default() })
    }

    fn deflated(content: &[u8]) -> Vec<u8> {
        let mut stream = deflate::Write::new(Vec::new(), Compression::BEST);
        stream.write_all(content).unwrap();
        stream.flush().unwrap();
        stream.into_inner()
    }

    /// A number as the head of an object has it, and as a difference has it.
    fn head(kind: u8, size: u64) -> Vec<u8> {
        let more = |rest: u64| if rest > 0 { 0x80 } else { 0 };
        let mut bytes = vec![(kind << 4) | (size & 15) as u8 | more(size >> 4)];
        if size >> 4 > 0 {
            bytes.extend(number(size >> 4));
        }
        bytes
    }

    fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let more = if value >> 7 > 0 { 0x80 } else { 0 };
            bytes.push((value & 0x7f) as u8 | more);
            value >>= 7;
            if value == 0 {
                return bytes;
            }
        }
    }

    fn blob(size: usize) -> Vec<u8> {
        [head(3, size as u64), deflated(&vec![b'x'; size])].concat()
    }

    /// A difference that tells sizes and does nothing.
    fn difference(kind: u8, base: &[u8], from: u64, to: u64) -> Vec<u8> {
        let sizes = [number(from), number(to)].concat();
        [head(kind, sizes.len() as u64), base.to_vec(), deflated(&sizes)].concat()
    }

    fn pack(objects: &[Vec<u8>]) -> Vec<u8> {
        let count = u32::try_from(objects.len()).unwrap();
        [b"PACK\0\0\0\x02".to_vec(), count.to_be_bytes().to_vec(), objects.concat(), vec![0; 20]].concat()
    }

    fn seen(bounds: PackBounds, pack: &[u8]) -> Result<(), PackError> {
        let mut stream = PackStream::new(bounds);
        pack.chunks(1).try_for_each(|byte| stream.see(byte))?;
        let whole = PackStream::new(bounds).see(pack);
        assert_eq!(whole, Ok(()), "in whole as in parts");
        assert!(matches!(stream.stage, Stage::End(_)), "every object was seen");
        Ok(())
    }

    fn rule(result: Result<(), PackError>) -> &'static str {
        match result {
            Err(PackError::TooMuch { rule, .. }) => rule,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pack_within_its_bounds_is_taken() {
        assert_eq!(seen(bounds(), &pack(&[])), Ok(()));
        let (base, empty) = (blob(1000), blob(0));
        let distance = u8::try_from(base.len()).unwrap();
        let objects =
            [empty, base, difference(6, &[distance], 1000, 2000), difference(7, &[9; 20], 5, 6), blob(70_000)];
        assert_eq!(seen(bounds(), &pack(&objects)), Ok(()));
    }

    #[test]
    fn an_object_is_judged_by_its_head() {
        let large = [b"PACK\0\0\0\x02\0\0\0\x01".to_vec(), head(3, RULES + 1)].concat();
        assert_eq!(rule(PackStream::new(bounds()).see(&large)), "source_object_bytes");
        let less = PackBounds { file_bytes: 9, ..bounds() };
        assert_eq!(seen(less, &pack(&[blob(9)])), Ok(()));
        assert_eq!(rule(seen(less, &pack(&[blob(10)]))), "source_bytes");
        assert_eq!(rule(PackStream::new(bounds()).see(b"PACK\0\0\0\x02\0\x01\0\0")), "source_files");
        for (from, to) in [(RULES + 1, 1), (1, RULES + 1)] {
            assert_eq!(rule(seen(bounds(), &pack(&[difference(7, &[9; 20], from, to)]))), "source_object_bytes");
        }
    }

    #[test]
    fn all_objects_together_are_bounded() {
        let rules = JobRules { source_files: 0, source_bytes: 1000, ..JobRules::default() };
        let few = PackBounds::of(&rules);
        let most = usize::try_from(few.bytes).unwrap();
        let files = |last: usize| pack(&[vec![blob(1000); most / 1000], vec![blob(last)]].concat());
        assert_eq!(seen(few, &files(most % 1000)), Ok(()));
        assert_eq!(rule(seen(few, &files(most % 1000 + 1))), "source_bytes and source_files");
    }

    #[test]
    fn what_is_held_at_once_is_bounded() {
        let wide = PackBounds { object_bytes: MAX_CHAIN_BYTES, bytes: u64::MAX, ..bounds() };
        let half = MAX_CHAIN_BYTES / 2;
        let named = || difference(7, &[9; 20], 1, half);
        let after = |base: &[u8]| difference(6, &[u8::try_from(base.len()).unwrap()], half, half);
        let (base, second) = (named(), after(&named()));
        assert_eq!(seen(wide, &pack(&[base.clone(), second.clone()])), Ok(()));
        assert_eq!(rule(seen(wide, &pack(&[base, second.clone(), after(&second)]))), "a fixed bound");
        assert_eq!(rule(seen(wide, &pack(&[named(), named(), named()]))), "a fixed bound", "by their ids");

        let many = PackBounds { objects: 10_000, ..wide };
        let mut chain = vec![blob(1)];
        while chain.len() < usize::from(MAX_CHAIN) + 2 {
            let before = chain.last().map_or(0, Vec::len);
            chain.push(difference(6, &[u8::try_from(before).unwrap()], 1, 1));
        }
        assert_eq!(rule(PackStream::new(many).see(&pack(&chain))), "a fixed bound");
        chain.pop();
        assert_eq!(PackStream::new(many).see(&pack(&chain)), Ok(()));
    }

    #[test]
    fn what_lies_is_malformed() {
        let lie = |size: u64, content: &[u8]| pack(&[[head(3, size), deflated(content)].concat()]);
        // Parts of no bytes, without an end: they would be held, for nothing comes out of them.
        let padded = [&[0x78, 0x01][..], &[0, 0, 0, 0xff, 0xff].repeat(1000)].concat();
        let table = [
            lie(1, b"two"),
            lie(10, b"two"),
            pack(&[[head(3, 1), padded].concat()]),
            pack(&[[head(3, 1), b"not compressed".to_vec()].concat()]),
            pack(&[difference(6, &[1], 1, 1)]),
            pack(&[[head(7, 0), vec![9; 20], deflated(b"")].concat()]),
            pack(&[[head(5, 0), deflated(b"")].concat()]),
            pack(&[vec![0xff; 100]]),
            b"PACK\0\0\0\x04\0\0\0\x01".to_vec(),
            b"not a pack at all".to_vec(),
        ];
        for pack in table {
            let judged = seen(bounds(), &pack);
            println!("{judged:?}");
            assert!(matches!(judged, Err(PackError::Malformed(_))), "{judged:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _judged = PackStream::new(bounds()).see(&bytes);
            let _judged = PackStream::new(bounds()).see(&[&b"PACK\0\0\0\x02\0\0\0\x03"[..], &bytes].concat());
        }
    }
}

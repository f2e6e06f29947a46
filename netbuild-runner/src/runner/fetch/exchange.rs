//! One question to the repository's host and its answer, in the parts that gix asks for: what is written becomes the
//! question, and the first look at the headers sends it.

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::CONTENT_TYPE;

use super::pack_bounds::PackBounds;
use super::pack_lines::PackLines;
use super::wire::{WireError, answer};

/// The part of a question by which Git asks for the list of refs, and not for a pack.
const LIST: &[u8] = b"command=ls-refs";

/// How much of an answer is read at the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'a> {
    pub(super) bytes: u64,
    /// On the pack that comes with it; none where none comes.
    pub(super) pack: Option<PackBounds>,
    /// Ends the reading at once.
    pub(super) interrupt: &'a AtomicBool,
}

/// A question on its way, shared by its parts.
pub(super) struct Exchange<'a>(Arc<Mutex<Turn<'a>>>);

struct Turn<'a> {
    /// Gone once it is sent.
    request: Option<RequestBuilder>,
    question: Vec<u8>,
    /// There once it has come, gone once it is being read.
    response: Option<Response>,
    list_bytes: u64,
    pack: Bound<'a>,
}

impl<'a> Exchange<'a> {
    /// A question that `request` will carry. Its answer is bounded as a list of refs or as a pack, by what is asked.
    pub(super) fn new(request: RequestBuilder, list_bytes: u64, pack: Bound<'a>) -> Self {
        let turn = Turn { request: Some(request), question: Vec::new(), response: None, list_bytes, pack };
        Exchange(Arc::new(Mutex::new(turn)))
    }

    fn turn(&self) -> MutexGuard<'_, Turn<'a>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self) -> Self {
        Exchange(Arc::clone(&self.0))
    }
}

impl<'a> Turn<'a> {
    /// Sends the question and gives the answer's headers.
    fn send(&mut self) -> Result<Cursor<Vec<u8>>, WireError> {
        let Some(request) = self.request.take() else { return Ok(Cursor::default()) };
        if self.pack.interrupt.load(Ordering::Relaxed) {
            return Err(WireError::Interrupted);
        }
        let response = answer(request.body(self.question.clone()))?;
        let headers = content_type(&response);
        self.response = Some(response);
        Ok(headers)
    }

    fn bound(&self) -> Bound<'a> {
        let is_list = self.question.windows(LIST.len()).any(|part| part == LIST);
        if is_list { Bound { bytes: self.list_bytes, pack: None, ..self.pack } } else { self.pack }
    }
}

/// The only header that Git looks at.
fn content_type(response: &Response) -> Cursor<Vec<u8>> {
    let value = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    Cursor::new([b"content-type: ", value, b"\n"].concat())
}

/// Takes the question.
pub(super) struct Question<'a>(Exchange<'a>);

impl<'a> Question<'a> {
    pub(super) fn of(exchange: &Exchange<'a>) -> Self {
        Question(exchange.share())
    }
}

impl Write for Question<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.turn().question.write(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives the headers of the answer.
pub(super) struct Headers<'a> {
    text: Cursor<Vec<u8>>,
    to_come: Option<Exchange<'a>>,
}

impl<'a> Headers<'a> {
    pub(super) fn of(response: &Response) -> Self {
        Headers { text: content_type(response), to_come: None }
    }

    pub(super) fn to_come(exchange: &Exchange<'a>) -> Self {
        Headers { text: Cursor::default(), to_come: Some(exchange.share()) }
    }
}

impl Read for Headers<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}

impl BufRead for Headers<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(exchange) = self.to_come.take() {
            self.text = exchange.turn().send()?;
        }
        self.text.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.text.consume(amount);
    }
}

/// Gives the answer itself; nothing before the headers were read.
pub(super) struct Body<'a> {
    answer: Option<BufReader<Bounded<'a>>>,
    to_come: Option<Exchange<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn of(response: Response, bound: Bound<'a>) -> Self {
        Body { answer: Some(Bounded::reader(response, bound)), to_come: None }
    }

    pub(super) fn to_come(exchange: &Exchange<'a>) -> Self {
        Body { answer: None, to_come: Some(exchange.share()) }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.answer.is_none()
            && let Some(exchange) = &self.to_come
        {
            let mut turn = exchange.turn();
            let bound = turn.bound();
            self.answer = turn.response.take().map(|response| Bounded::reader(response, bound));
        }
        self.answer.as_mut().map_or(Ok(&[]), BufRead::fill_buf)
    }

    fn consume(&mut self, amount: usize) {
        if let Some(answer) = &mut self.answer {
            answer.consume(amount);
        }
    }
}

/// An answer that ends with an error past its bound, and when it is interrupted.
struct Bounded<'a> {
    response: Response,
    left: u64,
    lines: Option<PackLines>,
    bound: Bound<'a>,
}

impl<'a> Bounded<'a> {
    fn reader(response: Response, bound: Bound<'a>) -> BufReader<Self> {
        BufReader::new(Bounded { response, left: bound.bytes, lines: bound.pack.map(PackLines::new), bound })
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bound.interrupt.load(Ordering::Relaxed) {
            return Err(WireError::Interrupted.into());
        }
        let count = self.response.read(into)?;
        self.left = self.left.checked_sub(count as u64).ok_or(WireError::TooLong(self.bound.bytes))?;
        if let Some(lines) = &mut self.lines {
            lines.see(&into[..count]).map_err(WireError::Pack)?;
        }
        Ok(count)
    }
}

fn read_buffered(from: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
    let count = from.fill_buf()?.read(into)?;
    from.consume(count);
    Ok(count)
}

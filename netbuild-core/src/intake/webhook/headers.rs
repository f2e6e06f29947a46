//! The few headers that count, picked from all.

use super::{Label, Provider, Refusal};

/// One header: its name, and its values in the order in which they came.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: &'static str,
    values: Vec<Vec<u8>>,
}

/// What a receiver looks at. Everything else in the head of a request is ignored.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) length: Header,
    pub(super) content_type: Header,
    pub(super) proof: Header,
    pub(super) event: Header,
    pub(super) delivery: Header,
}

impl Headers {
    pub(super) fn pick<N, V>(provider: Provider, all: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let (proof, event, delivery) = match provider {
            Provider::GitHub => ("X-Hub-Signature-256", "X-GitHub-Event", "X-GitHub-Delivery"),
            Provider::GitLab => ("X-Gitlab-Token", "X-Gitlab-Event", "X-Gitlab-Event-UUID"),
            Provider::Bitbucket => ("X-Hub-Signature", "X-Event-Key", "X-Request-UUID"),
        };
        let mut picked =
            ["Content-Length", "Content-Type", proof, event, delivery].map(|name| Header { name, values: Vec::new() });
        for (name, value) in all {
            let known = picked.iter_mut().find(|known| name.as_ref().eq_ignore_ascii_case(known.name.as_bytes()));
            if let Some(known) = known {
                known.values.push(value.as_ref().to_vec());
            }
        }
        let [length, content_type, proof, event, delivery] = picked;
        Headers { length, content_type, proof, event, delivery }
    }

    /// The announced length of the body; `None` for a body in chunks.
    pub(super) fn length(&self) -> Result<Option<usize>, Refusal> {
        let Some((first, rest)) = self.length.values.split_first() else { return Ok(None) };
        let digits = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
        if !digits || rest.iter().any(|other| other != first) {
            return Err(Refusal::Length);
        }
        // What has more digits than memory has bytes is longer than any bound.
        let length = str::from_utf8(first).ok().and_then(|text| text.parse().ok());
        Ok(Some(length.unwrap_or(usize::MAX)))
    }

    pub(super) fn check_content_type(&self) -> Result<(), Refusal> {
        let [value] = self.content_type.values.as_slice() else { return Err(Refusal::ContentType) };
        let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") { Ok(()) } else { Err(Refusal::ContentType) }
    }

    /// The name of the event.
    pub(super) fn event(&self) -> Result<&str, Refusal> {
        let single = match self.event.values.as_slice() {
            [value] => str::from_utf8(value).ok(),
            _ => None,
        };
        single.ok_or(Refusal::EventName { header: self.event.name })
    }

    /// The id of the delivery, for logs: nobody signed it.
    pub(super) fn delivery(&self) -> Option<Label> {
        self.delivery.values.first().map(|value| Label::new(&String::from_utf8_lossy(value)))
    }
}

impl Header {
    /// The one value of a header that proves where the request comes from.
    pub(super) fn proof(&self) -> Result<&[u8], Refusal> {
        match self.values.as_slice() {
            [value] => Ok(value),
            [] => Err(Refusal::SignatureMissing { header: self.name }),
            _ => Err(Refusal::SignatureRepeated { header: self.name }),
        }
    }
}

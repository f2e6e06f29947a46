//! Why there is nothing to build.

use super::Label;

/// Why an event asks for no build. It is an answer, not an error: the request was right, and its sender need not repeat
/// it. The words are for the person who asks "why did it not build?".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The Git host tried whether the webhook answers.
    #[error("the webhook works")]
    Ping,
    /// An event that no build depends on, or one that this version does not know.
    #[error("the event {event} starts no build")]
    EventNotBuilt {
        /// Its name.
        event: Label,
    },
    /// A ref was created or deleted, and the push that did it tells the same.
    #[error("the event {event} starts no build: the push that comes with it does")]
    ToldByPush {
        /// Its name.
        event: Label,
    },
    /// No project of the webhook's account has this repository: by its id, whatever its name.
    #[error("no project of this webhook builds this repository")]
    UnknownRepository,
    /// The event's own time is longer ago than the webhook's bound: its key may be forgotten, so it cannot be told from one
    /// that was built.
    #[error("the event is too old to be built; build the branch again if it is wanted")]
    TooOld,
    /// A push without a change in it.
    #[error("the push is empty")]
    EmptyPush,
    /// The ref stands where it stood.
    #[error("{name} did not move")]
    NotMoved {
        /// The branch.
        name: Label,
    },
    /// The branch is gone.
    #[error("the branch {branch} was deleted")]
    BranchDeleted {
        /// Its name.
        branch: Label,
    },
    /// A tag. What a tag names was built as a branch; a deploy has no context for it.
    #[error("{name} is a tag, and tags are not built")]
    Tag {
        /// Its name.
        name: Label,
    },
    /// Neither a branch nor a tag: notes, a Git host's own refs.
    #[error("{name} is no branch")]
    NotABranch {
        /// The full ref.
        name: Label,
    },
    /// The settings leave this branch out.
    #[error("the project does not build the branch {branch}")]
    BranchNotBuilt {
        /// Its name.
        branch: Label,
    },
    /// The settings leave every pull request out.
    #[error("the project builds no pull requests")]
    PreviewsOff,
    /// The settings leave pull requests from forks out, and this is one, or its repository is gone.
    #[error("the pull request comes from a fork, and the project builds none from forks")]
    ForkNotBuilt,
    /// The fork of the pull request was deleted, and its commits with it.
    #[error("the pull request's fork is gone, and its commits with it")]
    ForkGone,
    /// It was merged, declined or closed.
    #[error("the pull request was closed")]
    PullRequestClosed,
    /// Its branch holds nothing that the target has not, or is gone.
    #[error("the pull request has no commits")]
    NoCommits,
    /// Something about the pull request changed that leaves its commits as they were, or that this version does not
    /// know.
    #[error("the action {action} brings no new commits to the pull request")]
    NoNewCommits {
        /// What happened to it, in the Git host's word.
        action: Label,
    },
}

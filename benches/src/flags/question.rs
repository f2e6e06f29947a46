//! What is asked.

/// A flag that is asked for, named after the rule that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The kill switch is on: off for everybody.
    KillSwitch,
    /// On for everybody.
    Global,
    /// On for one of 16 accounts, which are listed.
    Account,
    /// On for every second account, by an attribute.
    Group,
    /// On for half of all accounts, with exclusions, lists and a group in front that do not match.
    AccountsShare,
    /// On for half of all projects, with the same and a part of all accounts in front.
    ProjectsShare,
}

impl Question {
    /// All.
    pub const ALL: [Question; 6] = [
        Question::KillSwitch,
        Question::Global,
        Question::Account,
        Question::Group,
        Question::AccountsShare,
        Question::ProjectsShare,
    ];

    /// The key of the flag.
    pub const fn key(self) -> &'static str {
        match self {
            Question::KillSwitch => "flag-kill-switch",
            Question::Global => "flag-global-rule",
            Question::Account => "flag-account-set",
            Question::Group => "flag-group-rules",
            Question::AccountsShare => "flag-in-accounts",
            Question::ProjectsShare => "flag-in-projects",
        }
    }
}

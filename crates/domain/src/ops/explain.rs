//! Why somebody may, or may not: for admins who wonder.

use crate::app::{Access, Cx, Operation};
use crate::error::Result;
use crate::model::{Explanation, PlatformRole, UserId};
use crate::ops::access::Question;
use crate::policy;
use crate::ports::Class;

/// Says which row makes [`super::access::Authorize`] answer a user as it does, or what is missing.
///
/// It supposes that the user shows a good login token or API key; whether theirs is one is for
/// [`super::access::Identify`] to say. Only for somebody with a platform role and a login token:
/// nobody else learns from it what exists.
#[derive(Debug)]
pub struct Explain {
    /// Who would ask.
    pub user: UserId,
    /// What they would ask.
    pub question: Question,
}

impl Operation for Explain {
    type Output = Explanation;
    const NAME: &'static str = "explain";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Explanation> {
        let (user, store) = (self.user, cx.store());
        Ok(match self.question {
            Question::Root => {
                policy::explain_on_platform(store.evidence(user, None).await?.platform)
            }
            Question::Org(org, action) => {
                policy::explain_in_org(store.evidence(user, org).await?, action)
            }
            Question::Group(None, _) => Explanation::NoGroup,
            Question::Group(Some(group), needed) => {
                let standing = store.group_standings(user, &[group]).await?.pop();
                policy::explain_in_group(user, standing.as_ref(), needed)
            }
        })
    }
}

"""What the dashboard's mails say; every link begins with the configured URL, whatever a request calls us."""

from api.dashboard.mailer import Mail


def reset_letter(dashboard_url: str, email: str, token: str) -> Mail:
    """Write to somebody who has forgotten the password."""
    return Mail(
        email,
        "Choose a new password",
        "Somebody, hopefully you, asked for a new password of your Roomlog account.\n\n"
        f"Choose it here, within 30 minutes:\n{dashboard_url}/reset/{token}\n\n"
        "If it was not you, leave this mail alone: your password stays as it is.\n",
    )


def known_letter(dashboard_url: str, email: str) -> Mail:
    """Write to somebody who signs up with an address that has an account."""
    return Mail(
        email,
        "You have an account already",
        "Somebody, hopefully you, signed up to Roomlog with this address, which has an account already.\n\n"
        f"Sign in: {dashboard_url}/sign-in\nForgotten the password? {dashboard_url}/forgotten\n",
    )


def welcome_letter(dashboard_url: str, email: str) -> Mail:
    """Write to somebody who has signed up."""
    return Mail(
        email,
        "Your Roomlog account",
        f"Your account is ready. Sign in and make your first app: {dashboard_url}/sign-in\n",
    )


def changed_letter(dashboard_url: str, email: str, what: str) -> Mail:
    """Write to somebody in whose account something has changed that lets people in."""
    return Mail(
        email,
        "Your Roomlog account was changed",
        f"In your account {what}.\n\n"
        f"If it was not you, choose a new password at once: {dashboard_url}/forgotten\n"
        "It ends all sessions. Then tell an owner of your team.\n",
    )


def invitation_letter(dashboard_url: str, email: str, inviter: str, organisation: str, token: str) -> Mail:
    """Write to somebody who is invited into a team."""
    return Mail(
        email,
        "You are invited to a team on Roomlog",
        f"{inviter} invites you to the team of {organisation}.\n\n"
        f"Accept here:\n{dashboard_url}/invitation/{token}\n\n"
        "If you do not know them, leave this mail alone.\n",
    )

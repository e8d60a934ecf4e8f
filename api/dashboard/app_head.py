"""What every page of an app shows of it."""

from tenants.apps import App
from tenants.ids import app_name


def head_of(app: App) -> dict[str, object]:
    """Give what the head of an app's pages shows."""
    return {
        "id": app_name(app.scope.app),
        "name": app.name,
        "environment": app.environment,
        "is_suspended": app.is_suspended,
    }

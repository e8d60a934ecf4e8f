"""Forms in: fields as browsers send them, or a sentence on what is wrong with one."""

from urllib.parse import parse_qs

from tenants.people import BadEmail, BadName, check_email, check_name

MAX_FORM_BYTES = 64 * 1024
MAX_FIELDS = 200


class Wrong(Exception):
    """A field is not as it must be; the message is shown beside it."""

    def __init__(self, field: str, sentence: str) -> None:
        """Say what is wrong with a field."""
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


class BadForm(Exception):
    """No form that a page of ours can have sent."""


class Form:
    """The fields of a form; one that was not sent is empty."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        """Hold the values of each field."""
        self._fields = fields

    @classmethod
    def read(cls, media_type: str, body: bytes) -> "Form":
        """Read a body; raises `BadForm`."""
        if not body:
            return cls({})
        if media_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            raise BadForm
        try:
            fields = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise BadForm from error
        if any("\0" in value for values in fields.values() for value in values):
            raise BadForm
        return cls(fields)

    def typed(self, field: str) -> str:
        """Give a field exactly as it was typed, as passwords are."""
        return self._fields.get(field, [""])[0]

    def text(self, field: str) -> str:
        """Give a field without the spaces around it."""
        return self.typed(field).strip()

    def chosen(self, field: str) -> list[str]:
        """Give all that was chosen of a field."""
        return self._fields.get(field, [])

    def name(self, field: str) -> str:
        """Give a name for people to read; raises `Wrong`."""
        try:
            return check_name(self.typed(field))
        except BadName as error:
            raise Wrong(field, str(error)) from error

    def email(self, field: str = "email") -> str:
        """Give an email address in lower case; raises `Wrong`."""
        try:
            return check_email(self.typed(field))
        except BadEmail as error:
            raise Wrong(field, str(error)) from error

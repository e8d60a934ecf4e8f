"""Jobs by REST."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.edge.given import Given
from api.edge.json import json_struct
from api.edge.told import Told
from api.jobs.schemas import JobView
from tenants.errors import NotFound
from tenants.grants import Grant
from tenants.ids import from_base62
from tenants.jobs import PREFIX, WIDTH, get_job
from tenants.postgres import Postgres
from tenants.scope import Caller


@get(
    "/v1/jobs/{job_id:str}",
    operation_id="getJob",
    grant=Grant.ROOMS_READ,
    keys_only=True,
    told=Told(gives={200: JobView}, refuses=(NotFound,)),
)
async def show_job(
    job_id: FromPath[str], caller: NamedDependency[Caller], given: NamedDependency[Given]
) -> Response[bytes]:
    """Tell how far a job is."""
    digits = job_id.removeprefix(PREFIX)
    if digits == job_id or len(digits) != WIDTH:
        raise NotFound
    try:
        number = from_base62(digits)
    except ValueError as error:
        raise NotFound from error
    if number >= 2**63:
        raise NotFound
    return json_struct(JobView.of(await get_job(given[Postgres], caller.scope, number)))


ROUTES = [show_job]

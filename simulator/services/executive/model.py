"""The records of the Executive service. The defaults are those of EX-10, EX-12 and EX-16."""

from __future__ import annotations

from dataclasses import dataclass, field

SETTINGS_BYTES = 2_000
"""About how many bytes the settings of an executive take."""
CRITERION_BYTES = 2_000
"""About how many bytes a criterion takes."""
REFERENCE_BYTES = 8
"""How many bytes an entry of a tuple takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A reference to a schedule. The schedules themselves are not simulated (EX-11)."""

    level: str
    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDnCriteria:
    """The callers that a criterion applies to (EX-12)."""

    selection: str = "Any"
    include_anonymous_callers: bool = False
    include_unavailable_callers: bool = False
    phone_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A criterion of the call filtering (EX-10)."""

    name: str
    active: bool = True
    time_schedule: Schedule | None = None
    holiday_schedule: Schedule | None = None
    from_dn_criteria: FromDnCriteria = FromDnCriteria()
    filter: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtering:
    """The call filtering without its criteria (EX-5)."""

    enabled: bool = False
    mode: str = "Simple"
    type: str = "All Calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """The call screening (EX-7)."""

    enabled: bool = False
    alert_type: str = "Silent"
    alert_mobility_location: bool = False
    alert_anywhere_locations: bool = False
    alert_shared_call_appearance_locations: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """The call alerting. Times are in rings, `rollover_wait_time` is in seconds, `None` is unset (EX-8, EX-9)."""

    mode: str = "Simultaneous"
    cli_name_mode: str = "Executive-Originator"
    cli_custom_name: str | None = None
    cli_custom_name_unicode: str | None = None
    cli_phone_number_mode: str = "Executive"
    cli_custom_phone_number: str | None = None
    call_push_recall_after: int = 4
    next_assistant_after: int = 5
    rollover_enabled: bool = False
    rollover_wait_time: int | None = None
    rollover_action: str = "Voice Messaging"
    rollover_forward_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executive:
    """The service's state for one executive. Criteria are in the order of creation, assistants as given (G-13).

    `given` holds the attributes that have been set, like `screening.enabled`. The others still have their defaults.
    `changes` is how many criteria calls have created, changed or deleted, and at least 1 after any other change.
    """

    allow_opt_in_out: bool = False
    assistant_ids: tuple[str, ...] = ()
    filtering: Filtering = Filtering()
    screening: Screening = Screening()
    alerting: Alerting = Alerting()
    criteria: tuple[Criterion, ...] = ()
    given: frozenset[str] = frozenset()
    changes: int = field(default=0, compare=False)

    @property
    def added(self) -> int:
        """About how many bytes of this state calls have made, at most. The fixture's state shares the rest (S-10)."""
        if not self.changes:
            return 0
        criteria = len(self.criteria)
        references = criteria + len(self.assistant_ids)
        return SETTINGS_BYTES + REFERENCE_BYTES * references + CRITERION_BYTES * min(self.changes, criteria)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The state of a newly assigned service (EX-16), and a criterion with nothing but its name (EX-10, EX-12)."""

    executive: Executive = Executive()
    criterion: Criterion = Criterion(name="")

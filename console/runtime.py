"""Builds the loops and owns the order in which they start and stop.

A process runs the parts whose locks it could take; without any it is a viewer that reads the ledger and can
still decide, stop and file, because those go through the ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.brains.brain import Brain
from agent.brains.claude_summary import Summariser
from agent.loop import AgentLoop
from agent.sandbox import Sandbox
from agent.tools.base import Workbench
from console import chores
from console.brains import make_brain, make_summariser
from console.chaos import Chaos
from console.failure import Failure
from console.home import Locks, holder, prepare
from console.settings import Settings
from monitor.events import Event
from monitor.hub import Hub
from monitor.ledger import Ledger, LedgerError
from monitor.loop import MonitorLoop, Watched
from monitor.probes import Prober
from monitor.tail import follow
from service.subject import Subject, SubjectError, builtin_subjects, load_subject
from service.supervisor import Supervisor
from service.workspace import Workspace, WorkspaceError

RESUME_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
"""How long a loop that failed waits before it is started again."""


class Runtime:
    """Everything one process runs for a home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home: Path = settings.home
        self.hub = Hub()
        self.locks = Locks(settings.home)
        self.parts: tuple[str, ...] = ()
        self.subjects: dict[str, Subject] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.supervisors: dict[str, Supervisor] = {}
        self.benches: dict[str, Workbench] = {}
        self.prober = Prober()
        self._ledger: Ledger | None = None
        self._brain: Brain | None = None
        self._summariser: Summariser | None = None
        self._monitor: MonitorLoop | None = None
        self._nudge = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._recorder = chores.Recorder()

    @property
    def ledger(self) -> Ledger:
        assert self._ledger is not None, "the runtime is not open"
        return self._ledger

    @property
    def brain(self) -> Brain:
        assert self._brain is not None, "the runtime is not open"
        return self._brain

    @property
    def owner(self) -> str:
        """Who claims tickets: host, home and process. The home's agent lock makes every other process of it dead."""
        return f"{self._lease_prefix}{os.getpid()}"

    @property
    def _lease_prefix(self) -> str:
        return f"{socket.gethostname()}:{hashlib.sha256(str(self.home).encode()).hexdigest()[:8]}:"

    async def open(self, parts: Sequence[str] = (), *, or_view: bool = False) -> None:
        """Prepare the home, take the locks of ``parts``, open the ledger and lay the deployed copies.

        Raises:
            Failure: in one line, when any of it cannot be done; nothing is left open.
        """
        try:
            await self._open(tuple(parts), or_view)
        except (LedgerError, SubjectError, WorkspaceError) as error:
            await self.close()
            raise Failure(str(error)) from None
        except BaseException:
            await self.close()
            raise

    async def _open(self, parts: tuple[str, ...], or_view: bool) -> None:
        await asyncio.to_thread(prepare, self.home)
        blocking = self.locks.take(parts)
        if blocking is not None:
            if not or_view:
                raise Failure(
                    f"process {holder(self.home, blocking)} already runs the {blocking} of {self.home}; "
                    "quit it first, or set HARNESS_HOME to another folder"
                )
            parts = ()
        self.parts = parts
        self._ledger = await Ledger.open(self.settings.ledger_url)
        self._ledger.on_commit = self._nudge.set
        for path in builtin_subjects().values():
            subject = await asyncio.to_thread(load_subject, path)
            workspace = await asyncio.to_thread(Workspace.lay, self.home, subject)
            deployed = workspace.root / "subject.toml"
            if deployed.exists():
                subject = await asyncio.to_thread(load_subject, deployed)
            self.subjects[subject.name] = subject
            self.workspaces[subject.name] = workspace
            self.benches[subject.name] = self._bench(subject, workspace)
            if await self.ledger.desired(subject.name) is None:
                commit = await asyncio.to_thread(workspace.head)
                await self.ledger.set_desired(subject.name, running=True, commit=commit, by="harness init")
        self.chaos = Chaos(self.ledger, self.subjects, self.workspaces)
        self._brain = make_brain(self.settings, self.workspaces, self.subjects)
        self._summariser = make_summariser(self.settings)
        control = await self.ledger.control()
        if parts and self.settings.mode is not None and control.mode != self.settings.mode:
            await self.ledger.set_mode(self.settings.mode, "HARNESS_MODE")

    def _bench(self, subject: Subject, workspace: Workspace) -> Workbench:
        import sys

        readable = (Path(sys.prefix), Path(sys.base_prefix))
        return Workbench(
            subject=subject,
            workspace=workspace,
            ledger=self.ledger,
            prober=self.prober,
            sandbox=Sandbox(workspace.root, readable),
            log_path=self.log_path(subject.name),
        )

    def log_path(self, subject: str) -> Path:
        return self.home / "logs" / f"{subject}.log"

    async def start(self, *, agent_only: int | None = None, agent_once: bool = False) -> None:
        """Start the loops of this process's parts, and the tail that feeds the hub."""
        start_id = await self.ledger.last_event_id()
        self._spawn("tail", lambda: follow(self.ledger, self.hub, start_id=start_id, nudge=self._nudge))
        if "service" in self.parts:
            for name in self.subjects:
                self._start_service(name)
            self._spawn("observer", lambda: self._recorder.run(self.ledger))
            self._spawn("prune", lambda: chores.prune(self.ledger))
        if "monitor" in self.parts:
            self._spawn("monitor", self._run_monitor)
            self._spawn("look", lambda: chores.look_after_changes(self.hub, self._look))
        if "agent" in self.parts:
            await self.ledger.end_leases(self._lease_prefix)
            self._spawn("agent", lambda: self.agent().run(only=agent_only, once=agent_once))
        if not self.parts:
            self._spawn("viewer", lambda: chores.relay_snapshots(self.ledger, self.hub, tuple(self.subjects)))

    async def _run_monitor(self) -> None:
        watched = [Watched(item, self.workspaces[name], self._faults_of(name)) for name, item in self.subjects.items()]
        self._monitor = MonitorLoop(watched, self.ledger, self.hub)
        await self._monitor.run()

    def agent(self) -> AgentLoop:
        """The agent's loop over this home's subjects."""
        return AgentLoop(
            benches=self.benches,
            brain=self.brain,
            ledger=self.ledger,
            hub=self.hub,
            owner=self.owner,
            clock=time.time,
            on_effect=self._poke,
            approval_ttl_seconds=self.settings.approval_ttl_seconds,
            summarise=self._summariser.summarise if self._summariser is not None else None,
        )

    def _start_service(self, name: str) -> None:
        tag = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        supervisor = Supervisor(
            self.subjects[name],
            self.workspaces[name].root,
            port=self.settings.service_port,
            log_path=self.log_path(name),
            on_state=lambda state: self._recorder.note(name, state),
            run_tag=tag,
        )
        self.supervisors[name] = supervisor
        self._spawn("supervisor", supervisor.run)
        self._spawn("desire", lambda: chores.obey(self.ledger, self.hub, name, supervisor))
        self._spawn(
            "traffic", lambda: chores.background_traffic(self.ledger, self.subjects[name], self.settings.traffic_rps)
        )

    def _faults_of(self, name: str) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
        async def faults() -> list[dict[str, Any]]:
            return await self.chaos.active(name)

        return faults

    async def _poke(self, subject: str) -> None:
        self._look(subject)

    def _look(self, subject: str) -> None:
        if self._monitor is not None:
            self._monitor.poke(subject)

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a loop for good: a failure is an event, then a pause, then another start."""
        failures = 0
        while True:
            try:
                await run()
                return
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                pause = RESUME_SECONDS[min(failures, len(RESUME_SECONDS) - 1)]
                failures += 1
                event = Event("loop.failed", time.time(), {"loop": name, "reason": f"{reason}; again in {pause:.0f} s"})
                try:
                    await self.ledger.emit(event)
                except LedgerError:
                    self.hub.publish(event)
                await asyncio.sleep(pause)
                with suppress(LedgerError):
                    await self.ledger.emit(
                        Event("loop.resumed", time.time(), {"loop": name, "reason": "started again"})
                    )

    async def wait_for(self, name: str) -> None:
        """Return when the loop of that name ended by itself."""
        for task in self._tasks:
            if task.get_name() == name:
                await asyncio.wait({task})

    async def close(self) -> None:
        """Stop the agent, the monitor, then the service, and let go of the ledger and the locks."""
        order = ("agent", "look", "monitor", "traffic", "viewer", "prune", "desire", "supervisor", "observer", "tail")
        for name in order:
            tasks = [task for task in self._tasks if task.get_name() == name]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=15)
        self._tasks.clear()
        if self._ledger is not None and "service" in self.parts:
            with suppress(LedgerError):
                await self._recorder.flush(self._ledger)
        for bench in self.benches.values():
            await bench.sandbox.kill_all()
        if self._brain is not None:
            await self._brain.aclose()
        if self._summariser is not None:
            await self._summariser.aclose()
        await self.prober.aclose()
        if self._ledger is not None:
            await self._ledger.close()
            self._ledger = None
        self.locks.release()

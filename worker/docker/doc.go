// Package docker runs tasks as containers: it is [cube/worker.Runtime] over the
// Docker Engine API, for engines from 20.10 on (the API version is
// negotiated).
//
// In this room belongs everything that knows what a container is, and nothing
// else does: it is the only one that imports the engine's client. Of Cube it
// imports cube/worker, cube/worker/task and cube/collector/cgroup.
//
// # What a task becomes
//
// A run is one container, named "cube-<task>-<allocation>-<restart>", with
// labels that carry the same, the owner, which is the worker it belongs to, and
// the boot of the machine that it was made in. Several workers can share one
// engine; each sees the containers of its own owner only. The engine never restarts or removes a container by itself: that is
// the worker's to decide.
//
//   - Command replaces the image's CMD, as the words after the image do in
//     "docker run"; an ENTRYPOINT of the image stays.
//   - Cpu is a hard limit (NanoCPUs) and, where CPUs are short, the weight
//     against other tasks (CPU shares, 1024 a core promised). The engine
//     knows no limit below 0.01 cores nor one above the cores there are:
//     what is asked for is moved to that bound.
//   - Memory is a hard limit that swap does not stretch (MemorySwap = Memory).
//   - Disk is a reservation only.
//   - Every port of PortBindings and of ExposedPorts is published, the latter
//     on a free port of the host, as the book did; ports that only the image
//     exposes are not. Where nothing else is configured they are bound where
//     the engine binds them: on all addresses, or on those of its own "ip"
//     option.
//   - An image's HEALTHCHECK is switched off: a task's health check is the
//     worker's to run.
//
// No task gets privileges: no privileged mode, no added capability, no mount
// or namespace of the host, no gain of privileges by setuid programs
// (no-new-privileges). Output goes where the engine's logging driver puts it,
// under the driver's own bounds.
//
// # How the end of a run is known
//
// The runtime follows one stream of the engine's events and wakes who waits
// for a container that died. A stream can break, and an engine restart: after
// every connection whoever waits looks at the container anew, so that no end
// is missed, and goes on waiting in the meantime. Nothing polls.
//
// A container that was running when the machine went down has no exit code, and
// its run says so: what the engine writes of it, once it is up again, nobody has
// seen. A fault of the engine's own, shortly before it goes away, is not held
// against the task that was to start.
package docker

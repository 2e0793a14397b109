// SPDX-License-Identifier: MPL-2.0

// Package doctor finds out what a host, or a container on it, permits, and which
// changes would permit more.
//
// Examine tries abilities one by one, each in a child process where the trial changes
// the process or may hang, and goes on after a refusal. Sufficient names all changes
// that a way of running steps wants at once, and Advice words them for the place: as
// YAML of a pod, flags of docker and podman, or a command for the administrator.
// SystemCalls is the one list of the system calls that a container's seccomp profile
// has to permit, and Profile such a profile.
//
// Nothing is printed, and nothing is changed. Only Linux has it.
package doctor

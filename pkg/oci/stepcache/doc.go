// SPDX-License-Identifier: MPL-2.0

// Package stepcache keeps the results of build steps in a place that several machines
// share: a repository of a registry, or an OCI layout in a directory. Each result is an
// image of its own, tagged with the key of its step, which podman pulls like any other.
// When steps are looked up, and what is done with a result, is up to the caller.
package stepcache

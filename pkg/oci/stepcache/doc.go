// SPDX-License-Identifier: MPL-2.0

// Package stepcache keeps what steps of a build leave in a place that several machines
// share: a repository of a registry, or an OCI layout in a directory. Each result is an
// image of its own, with the key of its step as the tag, which podman pulls like any
// other. When steps are looked up and what is done with a result is for the caller.
package stepcache

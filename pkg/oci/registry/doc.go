// SPDX-License-Identifier: MPL-2.0

// Package registry talks to registries: it finds images, fetches and pushes them.
// The registries, whether they are trusted, and logins are read from the files that
// podman reads. Each operation in which a server could hang has a deadline,
// credentials do not leave the registry's site, and errors come with a remedy.
//
// The package does not know what an image contains or what it is used for.
package registry

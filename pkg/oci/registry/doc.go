// SPDX-License-Identifier: MPL-2.0

// Package registry speaks to registries: it finds images, fetches and pushes
// them. Which registries there are, whether they are trusted and how to log in
// is read from the files that podman reads. What a server can hold up has a
// deadline, credentials stay at the registry's site, and an error says what
// would help.
//
// What an image contains, and what it is used for, is not known here.
package registry

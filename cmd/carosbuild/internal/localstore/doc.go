// SPDX-License-Identifier: MPL-2.0

// Package localstore opens the store of images on this machine, inside the namespaces,
// and finds in it what a user names. Other systems than Linux have no store: there it
// is empty.
package localstore

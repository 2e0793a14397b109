// SPDX-License-Identifier: MPL-2.0

// Package layer keeps file system layers and images. It provides writable snapshots,
// commits, an applier for untrusted tars, and a cache of steps. Images come from a Finder,
// such as a registry's client, and are offered as oci.Stored; the package does not know
// where they come from and go to.
//
// Layers and images live in containers/storage (overlay driver), in a store that podman
// may share. That library keeps records and locks; this package writes the contents: a
// commit renames the upper directory of an overlay mount into the store, and keeps its tar
// stream as a tar-split, so that a push sends the same bytes. Where no overlay can be
// mounted, a snapshot is a copy, and a commit makes such an upper directory by comparing:
// the layers of both kinds are identical.
//
// A Store is used inside the user namespace that has its ids (uid 0, with a mount
// namespace of its own). Records, which tells whether a step has been executed already,
// works outside, too.
//
// Overlay marks opaque directories inside a user namespace with user.overlay.opaque,
// outside with trusted.overlay.opaque. So a layer made by an ordinary user is right for
// that user's podman, not for the superuser's podman in the same directory.
//
// Files below GraphRoot that are not containers/storage's:
//
//	carosbuild/lock          flock: making and sweeping wip directories, registering layers
//	carosbuild/wip/NAME/     snapshots of one process, which holds flock on NAME/lock
//	carosbuild/sums/ID       record of the files of layer ID, see sums.File
//	carosbuild/damaged/ID    layer ID differs from what was stored: its steps count as not done
//	carosbuild/index/NAME    copy of an index of the store, for when the index is damaged
//	carosbuild/pending/ID    symbolic link, its target a boot id: layer ID may not be on disk yet
//
// The store needs Linux. On other systems the package has the values that describe layers
// and images, and reads the list of a store's images.
package layer

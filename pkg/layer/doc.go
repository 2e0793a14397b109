// SPDX-License-Identifier: MPL-2.0

// Package layer keeps file system layers and images: writable snapshots,
// commits, a tar applier for hostile tars, and a cache of steps. Images are
// taken from a Finder, such as a registry's client, and offered as oci.Stored;
// where they come from and go to is not known here.
//
// Layers and images live in containers/storage (overlay driver), in a store
// that podman may share. The store keeps records and locks; the contents are
// written here: a commit renames the upper directory of an overlay mount into
// the store, and the tar stream it stands for is kept as tar-split, so that
// the same bytes can be given back for a push. Where no overlay can be mounted, a
// snapshot is a copy, and a commit makes such an upper directory by comparing: the
// layers of both kinds are the same to the byte.
//
// A Store belongs inside the user namespace that holds its ids (uid 0, a mount
// namespace of its own). Records, which answers whether a step has been done
// already, works outside of it.
//
// Overlay marks opaque directories inside a user namespace with
// user.overlay.opaque, outside with trusted.overlay.opaque. A layer made by an
// ordinary user is therefore right for the podman of that user, not for a
// podman of the superuser that is pointed at the same directory.
//
// Files below GraphRoot that are not of containers/storage:
//
//	carosbuild/lock          flock: making and sweeping wip directories, registering layers
//	carosbuild/wip/NAME/     snapshots of one process, which holds flock on NAME/lock
//	carosbuild/sums/ID       record of the files of layer ID, see sums.File
//	carosbuild/damaged/ID    layer ID is not what was stored: its steps count as not done
//	carosbuild/index/NAME    copy of an index of the store, for when that is damaged
//	carosbuild/pending/ID    symbolic link, its target a boot id: layer ID is not yet known to be on disk
//
// The store needs what only Linux has. Other systems have the values that describe
// layers and images, and read the list of a store's images.
package layer

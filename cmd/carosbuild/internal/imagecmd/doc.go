// SPDX-License-Identifier: MPL-2.0

// Package imagecmd has the commands about the images of stages: images, prune, push,
// pull and export. Only Linux has them.
package imagecmd

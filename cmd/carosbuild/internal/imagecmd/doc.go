// SPDX-License-Identifier: MPL-2.0

// Package imagecmd has the commands about the images of stages: images, prune, push,
// pull and export. Other systems than Linux have push and export of images from elsewhere.
package imagecmd

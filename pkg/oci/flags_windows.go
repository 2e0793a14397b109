// SPDX-License-Identifier: MPL-2.0

package oci

const nonblock = 0

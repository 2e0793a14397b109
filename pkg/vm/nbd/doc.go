// SPDX-License-Identifier: MPL-2.0

// Package nbd serves a block device to one client over a connection, in the fixed
// newstyle of the NBD protocol with simple replies. Left out: several exports, structured
// replies, TLS, and the oldstyle handshake.
package nbd

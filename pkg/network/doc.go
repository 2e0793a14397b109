// SPDX-License-Identifier: MPL-2.0

// Package network gives steps a network that does not reach the host's loopback: a network
// namespace that pasta(1), of the passt project, connects. If that does not work, steps share
// the host's network, and a note says why. How a sandbox uses a namespace is not part of this
// package, nor is the confinement of steps without a network.
package network

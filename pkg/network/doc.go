// SPDX-License-Identifier: MPL-2.0

// Package network gives steps a network that ends before the host's loopback: a network
// namespace whose way out is pasta(1), of the project passt. Where that cannot be had, steps
// share the host's network, and a line says why. What a sandbox does with a namespace is not
// its business, nor what a step may do without any network.
package network

// SPDX-License-Identifier: MPL-2.0

// Package feedcmd has the command feed, which looks at packages and makes feeds of them.
package feedcmd

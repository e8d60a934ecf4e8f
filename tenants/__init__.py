"""The walls: who asks, and which app's rows and channels they may touch. No row and no channel is reached outside a scope."""

"""What the integration tests stand on: real servers, raw peers, scripted origins. No code of nrt."""

"""An offline twin of Dynamics 365 Sales and of Finance and Operations, over real HTTP on loopback.

It shares no code with ``p2c_lib.odata``, so that client and server cannot be wrong alike.
"""

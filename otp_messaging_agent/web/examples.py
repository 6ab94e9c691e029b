"""The examples the document shows for request bodies, by path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "/send-otp": {
        "by phone": {"value": {"phone_number": "+447700900001", "user_id": "user123"}},
        "by e-mail, for a payment": {
            "value": {"email": "ada@example.com", "purpose": "payment", "ttl_seconds": 300}
        },
    },
    "/verify-otp": {
        "by recipient": {"value": {"phone_number": "+447700900001", "code": "123456"}},
    },
    "/send-message": {
        "notification": {
            "value": {
                "phone_number": "+447700900002",
                "message_type": "notification",
                "content": "Your order #4711 has shipped!",
                "priority": "MEDIUM",
                "preferred_channel": "WhatsApp",
            }
        },
        "security alert by call": {
            "value": {
                "phone_number": "+447700900002",
                "message_type": "alert",
                "content": "A new device signed in. Secure your account if this was not you.",
                "priority": "CRITICAL",
                "preferred_channel": "Call",
            }
        },
    },
    "/send-bulk": {
        "two": {
            "value": {
                "messages": [
                    {"phone_number": "+447700900001", "content": "Hello!"},
                    {"phone_number": "+447700900002", "content": "Welcome!"},
                ]
            }
        }
    },
    "/messages/search": {
        "of one person": {"value": {"phone_number": "+447700900001", "limit": 20}}
    },
    "/route/explain": {
        "an alert": {
            "value": {
                "phone_number": "+447700900002",
                "message_type": "alert",
                "content": "A new device signed in.",
            }
        }
    },
}

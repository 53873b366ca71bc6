/// Orders in JSON, each behind the number of their JSON Schema.
enum JSONSchemaOrders {
    static let schema = """
        {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object", "properties": {
          "order_id": {"type": "string", "description": "The shop's number, the message's key"},
          "status": {"type": "string"},
          "created_at": {"type": "string", "format": "date-time"},
          "updated_at": {"type": "string", "format": "date-time"},
          "customer": {"type": "object", "properties": {
            "id": {"type": "integer"}, "name": {"type": "string"}, "email": {"type": "string"}}},
          "total": {"type": ["number", "string"]},
          "currency": {"type": "string"},
          "item_count": {"type": "integer"},
          "items": {"type": "array", "items": {"type": "object"}},
          "shipping": {"type": "object"},
          "tags": {"type": "array", "items": {"type": "string"}},
          "note": {"type": ["string", "null"]}}, "required": ["order_id", "status", "created_at"]}
        """
}

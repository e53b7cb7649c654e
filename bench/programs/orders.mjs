// The `orders` work by the helper for Node.
import { createHash } from 'node:crypto';
import { stage } from '../../sdk/node/leat-stage.mjs';

stage((order) => order.qty === 0 ? null : {
	id: order.id,
	total: order.price * order.qty,
	sha: createHash('sha256').update(order.text).digest('hex'),
});

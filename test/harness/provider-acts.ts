/** What happens at the provider without a request of ours: banks, networks, donors, and people at its dashboard. */
export type ProviderActs = {
  /** `charge.expired`, then `payment_intent.canceled` with this reason. */
  expirePayment(paymentId: string, reason?: 'expired' | 'automatic'): Promise<void>;
  /** Of a payment in `requires_action`: the donor came back from the bank's page. */
  authenticatePayment(paymentId: string, succeed?: boolean): Promise<void>;
  /** Of a payment in `processing` (dial or fault `processing` at confirm): the bank answers at last. */
  settlePayment(paymentId: string, succeed?: boolean): Promise<void>;
  /** Resolves with the dispute's id. Everything captured and not refunded, unless told; an inquiry moves no money. */
  disputePayment(
    paymentId: string,
    dispute?: { readonly amountMinor?: number; readonly reason?: string; readonly inquiry?: boolean },
  ): Promise<string>;
  /** An inquiry becomes a dispute. */
  escalateDispute(disputeId: string): Promise<void>;
  /** An inquiry closes without a winner. */
  closeDispute(disputeId: string, outcome: 'won' | 'lost'): Promise<void>;
  /** Of a pending refund. */
  succeedRefund(refundId: string): Promise<void>;
  /** Of a pending or a succeeded refund. */
  failRefund(refundId: string, reason?: string): Promise<void>;
  /** Another fee than at the capture. */
  changeFee(paymentId: string, feeMinor: number): Promise<void>;
  /** A refund without metadata; resolves with its id. */
  refundByHand(
    paymentId: string,
    refund?: { readonly amountMinor?: number; readonly status?: 'succeeded' | 'pending' },
  ): Promise<string>;
  /** A succeeded payment that nobody of ours asked for; resolves with its id. */
  payByHand(payment: {
    readonly amountMinor: number;
    readonly currency: string;
    readonly metadata?: Readonly<Record<string, string>>;
    readonly paymentMethod?: string;
  }): Promise<string>;
  /** A second, succeeded payment with the same metadata; resolves with its id. */
  payAgain(paymentId: string): Promise<string>;
  /** From now on the provider shows these amounts; its ledger keeps what was paid. */
  changeAmount(
    paymentId: string,
    amounts: { readonly amountMinor: number; readonly amountReceivedMinor?: number },
  ): Promise<void>;
};

type Post = (path: string, body: unknown) => Promise<{ readonly id: string }>;

export function createProviderActs(post: Post): ProviderActs {
  const id = async (path: string, body: unknown = {}): Promise<string> => (await post(path, body)).id;
  const run = async (path: string, body: unknown = {}): Promise<void> => void (await post(path, body));
  return {
    expirePayment: (paymentId, reason = 'expired') => run(`/payments/${paymentId}/expire`, { reason }),
    authenticatePayment: (paymentId, succeed = true) =>
      run(`/payments/${paymentId}/authenticate`, { succeed }),
    settlePayment: (paymentId, succeed = true) => run(`/payments/${paymentId}/settle`, { succeed }),
    disputePayment: async (paymentId, dispute) => id(`/payments/${paymentId}/dispute`, dispute),
    escalateDispute: (disputeId) => run(`/disputes/${disputeId}/escalate`),
    closeDispute: (disputeId, outcome) => run(`/disputes/${disputeId}/close`, { outcome }),
    succeedRefund: (refundId) => run(`/refunds/${refundId}/succeed`),
    failRefund: (refundId, reason) => run(`/refunds/${refundId}/fail`, { reason }),
    changeFee: (paymentId, feeMinor) => run(`/payments/${paymentId}/fee`, { feeMinor }),
    refundByHand: async (paymentId, refund) => id(`/dashboard/payments/${paymentId}/refund`, refund),
    payByHand: async (payment) => id('/dashboard/payments', payment),
    payAgain: async (paymentId) => id(`/dashboard/payments/${paymentId}/duplicate`),
    changeAmount: (paymentId, amounts) => run(`/dashboard/payments/${paymentId}/amount`, amounts),
  };
}
